"""Record a live stream as replay files: every message as the broker stored it, its times included."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from sources.base import Record, SourceError, load, names
from sources.catalog import STREAMS, Stream
from sources.flags import Parser, add_flag
from sources.laptop.progress import Progress
from sources.laptop.signals import stopping
from sources.replay import files as replay_files
from sources.source_flags import above_zero, parse, whole


def command(argv: Sequence[str]) -> int:
    """Run `twinstream record`; return 0 once the recording is as complete as requested."""
    endless = [name for name in names() if not load(name).BOUNDED]
    options = parse(_parser(), endless, argv, default="kafka")
    folder = _empty_folder(options.replay_dir, STREAMS[options.stream])
    progress = Progress("recorded")
    records = load(options.source).records(STREAMS[options.stream], options)
    file: list[Record] = []
    with stopping() as stop:
        for record in _until_enough(records, options, progress, stop):
            file.append(record)
            if len(file) == options.messages_per_file:
                _write(folder, file)
    _write(folder, file)
    progress.finish(f"files in {folder}: {len(list(folder.iterdir()))}")
    return 0


def _parser() -> Parser:
    parser = Parser(prog="twinstream record", description=__doc__)
    add_flag(parser, "--stream", help="stream to record", default="product-stream", choices=tuple(STREAMS))
    parser.add_argument(
        "--replay-dir", type=Path, required=True, help="directory to record into; created if missing"
    )
    add_flag(parser, "--count", help="stop after this many messages", type=whole)
    add_flag(parser, "--idle-seconds", help="stop after this many seconds without a message", type=above_zero)
    add_flag(
        parser,
        "--messages-per-file",
        help="messages per file, which replay reads as one batch",
        default="1000",
        type=whole,
    )
    return parser


def _empty_folder(directory: Path, stream: Stream) -> Path:
    folder = directory / stream.name
    if folder.exists() and any(folder.iterdir()):
        raise SourceError(
            f"{folder} has files",
            expected="a new recording's folder to be empty",
            remedy="another --replay-dir",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SourceError(
            f"--replay-dir {directory}: {error.strerror}",
            expected="a writable directory",
            remedy="another",
        ) from None
    return folder


def _until_enough(
    records: Iterator[Record | None], options: Namespace, progress: Progress, stop: Callable[[], bool]
) -> Iterator[Record]:
    """Yield the records until `--count`, `--idle-seconds` or `stop`; a None is a second without a record."""
    idle = 0
    for record in records:
        progress.show()
        idle = idle + 1 if record is None else 0
        if record is not None:
            progress.add(1)
            yield record
        idled = options.idle_seconds and idle >= options.idle_seconds
        if stop() or idled or progress.count == options.count:
            return


def _write(folder: Path, file: list[Record]) -> None:
    if file:
        replay_files.write(replay_files.following(folder), file)
        file.clear()
