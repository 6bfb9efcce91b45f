"""What every job needs and none should contain."""
