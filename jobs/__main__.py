"""The jobs' front door on a laptop: `python -m jobs COMMAND`."""

import sys
from importlib import import_module

if __name__ == "__main__":
    sys.exit(import_module("jobs.laptop.commands").main(sys.argv[1:]))
