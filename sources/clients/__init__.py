"""Publishing and recording with the brokers' own client libraries, which no job needs."""

import os

# Otherwise gRPC aborts one in thirty child processes started during calls: in a notebook, PySpark's JVM.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
