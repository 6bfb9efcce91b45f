"""The brokers' own client libraries, for publishing and recording: imported by nothing that a job needs."""
