"""The sinks that results go to: one module per sink, found by its file name."""
