"""Events from files of JSON lines (`sources.replay.files`), read in name order, one file per micro-batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pyspark.sql import Column, DataFrame, DataFrameReader, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming.readwriter import DataStreamReader
from pyspark.sql.types import ArrayType, LongType, MapType, StringType, StructField, StructType

from sources.base import Publisher, Record, SourceError
from sources.catalog import Stream
from sources.envelope import conform
from sources.google_cloud import OnGoogleCloud
from sources.replay import files as replay_files
from sources.replay.google_cloud import FilesOfThisMachine
from sources.replay.options import BUNDLED, ReplayOptions
from sources.replay.publishing import ReplayPublisher
from sources.replay.staging import release, stage

OPTIONS = ReplayOptions
BOUNDED = True
GOOGLE_CLOUD: OnGoogleCloud = FilesOfThisMachine()

_TEXTS = MapType(StringType(), ArrayType(StringType()))
_LINE = StructType(
    [
        StructField("stream", StringType()),
        StructField("partition", LongType()),
        StructField("offset", LongType()),
        StructField("key", StringType()),
        StructField("key_base64", StringType()),
        StructField("value", StringType()),
        StructField("value_base64", StringType()),
        StructField("attributes", _TEXTS),
        StructField("attributes_base64", _TEXTS),
        StructField("published_at", StringType()),
        StructField("event_at", StringType()),
    ]
)


def jars(options: ReplayOptions) -> tuple[str, ...]:
    """Return no jar set: Spark reads files without one."""
    return ()


def check(spark: SparkSession, streams: Sequence[Stream], options: ReplayOptions) -> Mapping[str, str]:
    """Return the identity of each stream's files, which stays the same while files are only added at the end.

    Raise SourceError if a stream has no file or a line is not a message, naming file and line.
    """
    return {stream.name: str(stage(_folder(stream, options))) for stream in streams}


@contextmanager
def watch(
    spark: SparkSession, streams: Sequence[Stream], options: ReplayOptions
) -> Iterator[Callable[[], Mapping[str, str]]]:
    """Watch nothing: a run reads copies, which stay unchanged until it ends."""
    try:
        yield dict
    finally:
        release()


def lost(spark: SparkSession, positions: Sequence[str], options: ReplayOptions) -> str:
    """Return "": files have no retention."""
    return ""


def read(reader: DataFrameReader | DataStreamReader, stream: Stream, options: ReplayOptions) -> DataFrame:
    """Return the lines of the files that exist now; files added later are left to the next query.

    Raise SourceError as `check` does.
    """
    staged = stage(_folder(stream, options))
    lines = reader.schema(_LINE).option("mode", "FAILFAST").option("maxFilesPerTrigger", 1)
    return lines.json(staged.as_uri())


def envelope(raw: DataFrame) -> DataFrame:
    """Return the columns of `read` as the canonical envelope."""
    return conform(
        raw.select(
            "stream",
            "partition",
            "offset",
            _bytes("key").alias("key"),
            _bytes("value").alias("value"),
            _attributes().alias("attributes"),
            "published_at",
            "event_at",
        )
    )


def create(streams: Sequence[Stream], options: ReplayOptions) -> Sequence[str]:
    """Create nothing: a stream's folder is created with its first file."""
    return ()


def records(stream: Stream, options: ReplayOptions) -> Iterator[Record]:
    """Yield the stream's messages, file by file; raise SourceError naming file and line of a broken one."""
    for file in replay_files.files(_folder(stream, options)):
        yield from replay_files.parse(file, file.read_bytes(), stream.name)


def publisher(options: ReplayOptions) -> Publisher:
    """Return a publisher to `--replay-dir`.

    Raise SourceError if it holds the bundled events or cannot be made a directory.
    """
    directory = _directory(options)
    if directory.resolve() == BUNDLED.resolve():
        raise SourceError(
            f"--replay-dir {directory} holds the bundled events",
            expected="a directory of your own",
            remedy="--replay-dir DIR",
        )
    replay_files.make_folder(directory, directory)
    return ReplayPublisher(directory)


def _directory(options: ReplayOptions) -> Path:
    if options.replay_dir is None:
        raise SourceError(
            "no --replay-dir",
            expected="a directory of <stream>/NNNN.jsonl",
            remedy="give it",
        )
    return options.replay_dir


def _folder(stream: Stream, options: ReplayOptions) -> Path:
    return _directory(options) / stream.name


def _bytes(name: str) -> Column:
    return F.coalesce(F.col(name).cast("binary"), F.unbase64(f"{name}_base64"))


def _attributes() -> Column:
    none = F.create_map().cast("map<string,array<binary>>")
    text = F.transform_values(
        "attributes", lambda _, values: F.transform(values, lambda value: value.cast("binary"))
    )
    other = F.transform_values("attributes_base64", lambda _, values: F.transform(values, F.unbase64))
    return F.map_concat(F.coalesce(text, none), F.coalesce(other, none))
