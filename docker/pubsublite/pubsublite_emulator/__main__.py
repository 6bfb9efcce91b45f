"""The command line: ``serve`` and ``env``."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
from pathlib import Path

_DIRECTORY = Path(".pubsublite")


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return the exit code: 0 for success, 1 for failure.

    A wrong argument ends the program with exit code 2.
    """
    options = _parser().parse_args(arguments)
    try:
        return _serve(options) if options.command == "serve" else _env(options)
    except (ConnectionError, ValueError, OSError) as error:
        print(f"pubsublite_emulator: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pubsublite_emulator",
        description="An emulator of Pub/Sub Lite for Google's own clients.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser(
        "serve",
        help="run until interrupted; print one JSON line when ready",
        epilog="Environment: PUBSUB_EMULATOR_HOST is the Pub/Sub emulator (HOST:PORT) that export "
        "subscriptions are delivered to; without it nothing is delivered.",
    )
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    serve.add_argument("--port", type=int, default=0, help="port to listen on (default 0: any free one)")
    serve.add_argument("--advertise", default="", help="host name that clients are given (default: --host)")
    serve.add_argument(
        "--storage",
        default="memory",
        help="where to keep messages: memory, or a Kafka broker as kafka://HOST:PORT (default %(default)s)",
    )
    serve.add_argument(
        "--any-retention", action="store_true", help="accept topics that keep less than 30 GiB per partition"
    )
    serve.add_argument("--log-level", default="INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR"))
    env = commands.add_parser("env", help='print shell exports: eval "$(python -m pubsublite_emulator env)"')
    env.add_argument(
        "--for",
        dest="client",
        choices=("go",),
        default="",
        help="also export the variables that this client needs",
    )
    for command in (serve, env):
        command.add_argument(
            "--directory",
            type=Path,
            default=_DIRECTORY,
            help="directory for certificates and state (default %(default)s)",
        )
    return parser


def _env(options: argparse.Namespace) -> int:
    from pubsublite_emulator.exports import also_for, environment, running, shell

    files, address = running(options.directory)
    variables = environment(files, address, os.environ) | also_for(options.client, files, address)
    print(shell(variables))
    return 0


def _serve(options: argparse.Namespace) -> int:
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
    )
    logging.getLogger("pubsublite_emulator").setLevel(options.log_level)
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    from pubsublite_emulator.errors import LiteError
    from pubsublite_emulator.faults import Faults
    from pubsublite_emulator.server import Server

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = Server(options.storage, options.directory, Faults(), any_retention=options.any_retention)
    try:
        await server.start(options.host, options.port, options.advertise)
    except LiteError as error:
        raise ConnectionError(error.message) from None
    print(json.dumps(server.ready()), flush=True)
    await stop.wait()
    await server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
