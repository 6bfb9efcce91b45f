"""Where events come from: the streams, the envelope, and one module a source."""
