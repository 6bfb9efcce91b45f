"""Static tables that jobs join with their streams: one module per table."""
