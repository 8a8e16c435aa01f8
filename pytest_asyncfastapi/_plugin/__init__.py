"""The connection to pytest: options, markers, fixtures, runners, the state of a test."""
