"""The brokers' own client libraries, for publishing and recording: imported by nothing that a job needs."""

import os

# Else gRPC aborts one child in thirty that is started beside running calls: PySpark's JVM, in a notebook.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
