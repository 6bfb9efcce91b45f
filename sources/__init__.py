"""Event sources: the logical streams, the canonical envelope and one module per source."""
