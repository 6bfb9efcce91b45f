"""The command line: ``serve``, ``env`` and ``install``."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path

from dataproc_emulator.emulator import DataprocEmulator
from dataproc_emulator.exports import elsewhere, environment, running, shell
from dataproc_emulator.images import DEFAULT, IMAGES, image
from dataproc_emulator.installation import CannotInstall, install

_DIRECTORY = Path(".dataproc")


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return the exit code: 0 for success, 1 for failure.

    A wrong argument ends the program with exit code 2.
    """
    options = _parser().parse_args(arguments)
    commands = {"serve": _serve, "env": _env, "install": _install}
    try:
        return commands[options.command](options)
    except (OSError, ValueError, CannotInstall) as error:
        print(f"dataproc_emulator: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dataproc_emulator",
        description="A local Dataproc for Google's own gcloud.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="run until interrupted; print one JSON line when ready")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    serve.add_argument("--port", type=int, default=0, help="port to listen on (default 0: any free one)")
    serve.add_argument(
        "--advertise", default="", help="HOST or HOST:PORT that clients are given (default: --host)"
    )
    serve.add_argument(
        "--allow-host", action="append", default=[], help="additional HOST or HOST:PORT to accept in requests"
    )
    serve.add_argument("--log-level", default="INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR"))
    env = commands.add_parser("env", help='print shell exports: eval "$(python -m dataproc_emulator env)"')
    env.add_argument(
        "--address", help="HOST:PORT of an emulator in a container (default: the one in --directory)"
    )
    env.add_argument(
        "--token-file",
        default="",
        help="file with the token of the emulator at --address, or - for standard input",
    )
    install = commands.add_parser("install", help="fetch an image's Spark, Python and Java, pinned by hash")
    others = [one.version for one in IMAGES if one != DEFAULT]
    install.add_argument("image", choices=others, help="image version (2.3 needs no installation)")
    for command in (serve, env):
        command.add_argument(
            "--directory",
            type=Path,
            default=_DIRECTORY,
            help="directory for objects and logs (default %(default)s)",
        )
    return parser


def _env(options: argparse.Namespace) -> int:
    if options.address:
        token = _read(options.token_file).strip()
        files, address = elsewhere(options.directory, options.address, token), options.address
    else:
        files, address = running(options.directory)
    print(shell(environment(files, address, os.environ)))
    return 0


def _install(options: argparse.Namespace) -> int:
    wanted = image(options.image) or DEFAULT
    began = time.monotonic()
    install(wanted, lambda step: print(f"image {wanted.version}: {step}", flush=True))
    print(f"image {wanted.version}: {wanted.parts}, there after {time.monotonic() - began:.0f} s")
    return 0


def _read(path: str) -> str:
    if path == "-":
        return sys.stdin.read()
    return Path(path).read_text() if path else ""


def _serve(options: argparse.Namespace) -> int:
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
    )
    logging.getLogger("dataproc_emulator").setLevel(options.log_level)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with DataprocEmulator(
        directory=options.directory,
        host=options.host,
        port=options.port,
        advertise=options.advertise,
        allow_hosts=options.allow_host,
    ) as dataproc:
        print(json.dumps(dataproc.ready), flush=True)
        stop.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
