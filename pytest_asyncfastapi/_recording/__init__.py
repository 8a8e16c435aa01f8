"""What one test did and when, for the reports."""
