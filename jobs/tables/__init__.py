"""Static tables that jobs join with their streams: one module a table."""
