"""Where results go: one module a sink, found by its file name."""
