"""The sources' front door on a laptop: `python -m sources COMMAND`."""

import signal
import sys
from importlib import import_module

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stopping a container then ends like Ctrl-C
    sys.exit(import_module("sources.laptop.commands").main(sys.argv[1:]))
