"""The suite runs under the plugin that it tests: its async tests are guarded by it too."""
