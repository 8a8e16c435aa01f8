"""What people see: one file a format. Must not know where findings come from."""
