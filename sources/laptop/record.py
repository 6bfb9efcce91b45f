"""Record a live stream as replay files: every message as the broker stored it, its times included."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sources.base import Record, SourceError, load, names, parse
from sources.catalog import STREAMS, Stream
from sources.flags import Parser, above_zero, flag, flags, whole_number
from sources.laptop.progress import Progress
from sources.laptop.signals import stopping
from sources.replay import files as replay_files


@dataclass(frozen=True)
class RecordOptions:
    """What to record, where to, and when to stop."""

    replay_dir: Path = flag("directory to record into; created if missing", parse=Path, required=True)
    stream: str = flag("stream to record", default="product-stream", choices=tuple(STREAMS))
    count: int | None = flag("stop after this many messages", parse=whole_number)
    idle_seconds: float | None = flag("stop after this many seconds without a message", parse=above_zero)
    messages_per_file: int = flag(
        "messages per file, which replay reads as one batch", default="1000", parse=whole_number
    )


def command(argv: Sequence[str]) -> int:
    """Run `twinstream record`; return 0 once the recording is as complete as requested."""
    endless = [name for name in names() if not load(name).BOUNDED]
    parser = Parser(prog="twinstream record", description=__doc__)
    parser.accept(flags(RecordOptions))
    parsed, source = parse(parser, argv, default="kafka", of=endless)
    options = parsed.of(RecordOptions)
    folder = _empty_folder(options.replay_dir, STREAMS[options.stream])
    progress = Progress("recorded")
    records = source.it.records(STREAMS[options.stream], source.options)
    file: list[Record] = []
    with stopping() as stop:
        for record in _until_enough(records, options, progress, stop):
            file.append(record)
            if len(file) == options.messages_per_file:
                _write(folder, file)
    _write(folder, file)
    progress.finish(f"files in {folder}: {len(list(folder.iterdir()))}")
    return 0


def _empty_folder(directory: Path, stream: Stream) -> Path:
    folder = directory / stream.name
    if folder.exists() and any(folder.iterdir()):
        raise SourceError(
            f"{folder} has files",
            expected="a new recording's folder to be empty",
            remedy="another --replay-dir",
        )
    replay_files.make_folder(folder, directory)
    return folder


def _until_enough(
    records: Iterator[Record | None], options: RecordOptions, progress: Progress, stop: Callable[[], bool]
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
