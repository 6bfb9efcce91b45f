import fcntl
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

from sources import replay
from sources.base import Message, Record, SourceError
from sources.catalog import BROWSING, PRODUCT, PURCHASE, Stream
from sources.replay import files as replay_files
from sources.replay.options import BUNDLED, ReplayOptions
from sources.replay.staging import release, stage
from tests.support.full_disk import room_for

CHECKOUT = Path(__file__).parents[3]
NOON = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def staged_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield
    release()


def write(directory: Path, stream: Stream, name: str, *values: str) -> Path:
    file = directory / stream.name / f"{name}.jsonl"
    records = [Record(stream.name, b"k", value.encode(), NOON, {}, 0, 0, NOON) for value in values]
    replay_files.write(file, records)
    return file


def streaming(spark: SparkSession, directory: Path, stream: Stream) -> DataFrame:
    return replay.envelope(replay.read(spark.readStream, stream, ReplayOptions(replay_dir=directory)))


def batches(frame: DataFrame, checkpoint: Path) -> list[list[str]]:
    """Return the values of each micro-batch of what is there."""
    seen: list[list[str]] = []

    def note(batch: DataFrame, _: int) -> None:
        seen.append(sorted(bytes(row[0]).decode() for row in batch.collect()))

    writer = frame.select("value").writeStream.foreachBatch(note).trigger(availableNow=True)
    query = writer.option("checkpointLocation", str(checkpoint)).start()
    assert query.awaitTermination(60)
    return seen


def test_each_file_is_a_batch_in_name_order_whatever_its_time(spark: SparkSession, tmp_path: Path) -> None:
    for age, (name, values) in enumerate([("0010", "d"), ("0002", "bc"), ("0001", "a"), ("0011", "e")]):
        file = write(tmp_path / "in", PRODUCT, name, *values)
        os.utime(file, (1_700_000_000 - age, 1_700_000_000 - age))
    assert batches(streaming(spark, tmp_path / "in", PRODUCT), tmp_path / "checkpoint") == [
        ["a"],
        ["b", "c"],
        ["d"],
        ["e"],
    ]


def test_a_restart_reads_only_what_was_added(spark: SparkSession, tmp_path: Path) -> None:
    write(tmp_path / "in", PRODUCT, "0001", "a")
    assert batches(streaming(spark, tmp_path / "in", PRODUCT), tmp_path / "checkpoint") == [["a"]]
    write(tmp_path / "in", PRODUCT, "0002", "b")
    assert batches(streaming(spark, tmp_path / "in", PRODUCT), tmp_path / "checkpoint") == [["b"]]
    assert batches(streaming(spark, tmp_path / "in", PRODUCT), tmp_path / "checkpoint") == []


def test_a_restart_goes_on_after_the_copies_are_lost(spark: SparkSession, tmp_path: Path) -> None:
    for name in ("0001", "0002"):
        write(tmp_path / "in", PRODUCT, name, name)
    first = stage(tmp_path / "in" / PRODUCT.name)
    assert batches(streaming(spark, tmp_path / "in", PRODUCT), tmp_path / "checkpoint") == [
        ["0001"],
        ["0002"],
    ]
    next(tmp_path.glob("twinstream-replay-*")).rename(tmp_path / "gone")
    assert stage(tmp_path / "in" / PRODUCT.name) == first
    assert batches(streaming(spark, tmp_path / "in", PRODUCT), tmp_path / "checkpoint") == []


def copies(folder: Path) -> list[str]:
    return sorted(file.name[:4] for file in folder.glob("twinstream-replay-*/*/*/*.jsonl"))


def test_the_copies_go_when_a_run_ends_and_the_next_goes_on(spark: SparkSession, tmp_path: Path) -> None:
    options = ReplayOptions(replay_dir=tmp_path / "in")
    for names in (("0001", "0002"), ("0003",), ()):
        for name in names:
            write(tmp_path / "in", PRODUCT, name, name)
        identity = replay.check(spark, [PRODUCT], options)
        with replay.watch(spark, [PRODUCT], options):
            seen = batches(streaming(spark, tmp_path / "in", PRODUCT), tmp_path / "checkpoint")
            assert copies(tmp_path)
        assert seen == [[name] for name in names]
        assert copies(tmp_path) == []
        assert replay.check(spark, [PRODUCT], options) == identity


def test_the_copies_of_a_killed_run_go_with_the_next_and_no_running_ones(tmp_path: Path) -> None:
    for place in ("theirs", "ours"):
        write(tmp_path / place, PRODUCT, "0001", place)
    folder = str(tmp_path / "theirs" / PRODUCT.name)
    code = f"from sources.replay.staging import *; print(stage(Path({folder!r})))"
    running = subprocess.Popen(
        [sys.executable, "-c", f"{code}; import sys, time; sys.stdout.flush(); time.sleep(600)"],
        stdout=subprocess.PIPE,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        cwd=CHECKOUT,
        text=True,
    )
    with running:
        assert running.stdout
        theirs = Path(running.stdout.readline().strip())
        ours = stage(tmp_path / "ours" / PRODUCT.name)
        assert len(list(theirs.glob("*.jsonl"))) == 1
        release()
        assert (len(list(theirs.glob("*.jsonl"))), len(list(ours.glob("*.jsonl")))) == (1, 0)
        running.kill()
    assert stage(tmp_path / "ours" / PRODUCT.name) == ours
    assert (len(list(theirs.glob("*.jsonl"))), len(list(ours.glob("*.jsonl")))) == (0, 1)
    assert stage(tmp_path / "theirs" / PRODUCT.name) == theirs


def test_a_copy_that_a_kill_left_unfinished_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path / "in", PRODUCT, "0001", "a")
    staged = stage(tmp_path / "in" / PRODUCT.name)
    (staged / ".0002-0123456789abcdef.jsonl").write_text('{"half')
    write(tmp_path / "in", PRODUCT, "0002", "b")
    assert stage(tmp_path / "in" / PRODUCT.name) == staged
    release()
    assert copies(tmp_path) == []


def test_two_streams_of_different_length_join_in_one_query(spark: SparkSession, tmp_path: Path) -> None:
    for name, view in (("0001", "x"), ("0002", "y"), ("0003", "z")):
        write(tmp_path / "in", BROWSING, name, view)
    write(tmp_path / "in", PURCHASE, "0001", "z", "x")
    views = streaming(spark, tmp_path / "in", BROWSING)
    purchases = streaming(spark, tmp_path / "in", PURCHASE).select("value")
    joined = batches(views.join(purchases, "value"), tmp_path / "checkpoint")
    assert sorted(value for batch in joined for value in batch) == ["x", "z"]


def test_a_batch_reads_all_files(spark: SparkSession, tmp_path: Path) -> None:
    for name in ("0001", "0002"):
        write(tmp_path / "with [odd] {name} *", PRODUCT, name, name)
    options = ReplayOptions(replay_dir=tmp_path / "with [odd] {name} *")
    rows = replay.envelope(replay.read(spark.read, PRODUCT, options)).collect()
    assert sorted(bytes(row.value).decode() for row in rows) == ["0001", "0002"]


@pytest.mark.parametrize("ended", [False, True])
def test_the_identity_outlives_additions_and_no_other_change(tmp_path: Path, ended: bool) -> None:
    folder = tmp_path / "in" / PRODUCT.name

    def identity() -> Path:
        staged = stage(folder)
        if ended:
            release()
        return staged

    second = write(tmp_path / "in", PRODUCT, "0002", "b")
    first = identity()
    write(tmp_path / "in", PRODUCT, "0003", "c")
    assert identity() == first
    write(tmp_path / "in", PRODUCT, "0002", "changed")
    changed = identity()
    write(tmp_path / "in", PRODUCT, "0001", "before")
    before = identity()
    second.unlink()
    removed = identity()
    assert len({first, changed, before, removed}) == 4
    (folder / "0001.jsonl").unlink()
    write(tmp_path / "in", PRODUCT, "0002", "b")
    assert identity() == first


def test_a_file_that_is_taken_away_is_no_addition(tmp_path: Path) -> None:
    folder = tmp_path / "in" / PRODUCT.name
    write(tmp_path / "in", PRODUCT, "0001", "a")
    added = write(tmp_path / "in", PRODUCT, "0002", "b")
    both = stage(folder)
    added.unlink()
    one = stage(folder)
    assert one != both
    write(tmp_path / "in", PRODUCT, "0002", "b")
    assert stage(folder) == one  # a reader of the one file may go on, as it could with any other second file


def test_the_same_files_elsewhere_are_another_stream(tmp_path: Path) -> None:
    for place in ("here", "there"):
        write(tmp_path / place, PRODUCT, "0001", "a")
    assert stage(tmp_path / "here" / PRODUCT.name) != stage(tmp_path / "there" / PRODUCT.name)


def test_processes_at_once_stage_the_same(tmp_path: Path) -> None:
    for number in range(40):
        write(tmp_path / "in", PRODUCT, f"{number:04}", str(number) * 1000)
    code = (
        f"from sources.replay.staging import *; print(stage(Path({str(tmp_path / 'in' / PRODUCT.name)!r})))"
    )
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", code]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, cwd=CHECKOUT, text=True)
        for _ in range(4)
    ]
    staged = {process.communicate(timeout=120)[0].strip() for process in running}
    assert len(staged) == 1
    copies = sorted(Path(staged.pop()).glob("*.jsonl"), key=lambda copy: copy.stat().st_mtime)
    assert [copy.name[:4] for copy in copies] == [f"{number:04}" for number in range(40)]


def during_staging(monkeypatch: pytest.MonkeyPatch, happens: Callable[[Path], object]) -> None:
    """Let something happen while a file is read, before its copy is in place."""
    parse = replay_files.parse

    def parsed(file: Path, content: bytes, stream: str) -> Iterator[Record]:
        happens(file)
        return parse(file, content, stream)

    monkeypatch.setattr(replay_files, "parse", parsed)


def test_one_process_at_a_time_stages_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "in" / PRODUCT.name
    write(tmp_path / "in", PRODUCT, "0001", "a")
    locks: list[Path] = []

    def try_to_lock(_: Path) -> None:
        locks.extend(tmp_path.glob("twinstream-replay-*/*/.lock"))
        with locks[-1].open() as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    during_staging(monkeypatch, try_to_lock)
    stage(folder)
    assert len(locks) == 1


def test_a_file_that_changes_while_it_is_staged_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path / "in", PRODUCT, "0001", "a")
    with monkeypatch.context() as patch:
        during_staging(patch, lambda file: file.write_bytes(file.read_bytes() * 2))
        with pytest.raises(SourceError, match=r"0001\.jsonl changed while it was read; expected a finished "):
            stage(file.parent)
    (copy,) = stage(file.parent).iterdir()
    assert copy.read_bytes() == file.read_bytes()


def test_a_copy_that_broke_off_is_made_again(tmp_path: Path) -> None:
    files = [
        write(tmp_path / "in", PRODUCT, name, name * size) for name, size in (("0001", 1), ("0002", 10_000))
    ]
    with (
        room_for(20_000),
        pytest.raises(SourceError, match="File too large; expected replay files that can be read and "),
    ):
        stage(files[0].parent)
    assert not any("0002" in file.name for file in tmp_path.glob("twinstream-replay-*/*/*/.*"))
    copies = sorted(stage(files[0].parent).iterdir())
    assert [copy.read_bytes() for copy in copies] == [file.read_bytes() for file in files]
    assert [copy.stat().st_mtime for copy in copies] == [1_000_000_000, 1_000_000_001]


def test_the_copies_are_for_their_user_only(tmp_path: Path) -> None:
    write(tmp_path / "in", PRODUCT, "0001", "a")
    private = stage(tmp_path / "in" / PRODUCT.name).parents[1]
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    private.chmod(0o755)
    with pytest.raises(SourceError, match=r"not a directory that only you can enter.*remedy: remove it"):
        stage(tmp_path / "in" / PRODUCT.name)


def test_a_broken_line_is_named_before_the_query_starts(spark: SparkSession, tmp_path: Path) -> None:
    write(tmp_path / "in", PRODUCT, "0001", "a")
    broken = write(tmp_path / "in", PRODUCT, "0002", "b", "c")
    broken.write_bytes(broken.read_bytes()[:-20])
    options = ReplayOptions(replay_dir=tmp_path / "in")
    for ask in (
        lambda: replay.check(spark, [PRODUCT], options),
        lambda: replay.read(spark.read, PRODUCT, options),
    ):
        with pytest.raises(SourceError, match=r"in/product-stream/0002\.jsonl, line 2: "):
            ask()


def test_an_empty_folder_is_said_with_the_remedy(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "in" / PRODUCT.name).mkdir(parents=True)
    with pytest.raises(SourceError, match=r"no \*\.jsonl file; expected .*; remedy: another --replay-dir"):
        replay.check(spark, [PRODUCT], ReplayOptions(replay_dir=tmp_path / "in"))


def test_publishing_goes_on_where_the_files_end(tmp_path: Path) -> None:
    options = ReplayOptions(replay_dir=tmp_path / "in")
    for _ in range(2):
        publisher = replay.publisher(options)
        for value in (b"1", b"2"):
            publisher.publish([Message(PRODUCT.name, b"abc", value, NOON)], lambda *_: None)
            publisher.flush()
        publisher.close()
    folder = tmp_path / "in" / PRODUCT.name
    assert sorted(file.name for file in folder.iterdir()) == [f"000{n}.jsonl" for n in (1, 2, 3, 4)]
    records = list(replay.records(PRODUCT, options))
    assert [(record.partition, record.offset, record.value) for record in records] == [
        (1, 0, b"1"),
        (1, 1, b"2"),
        (1, 2, b"1"),
        (1, 3, b"2"),
    ]


def test_a_file_ends_after_so_many_messages_and_keyless_ones_take_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sources.replay.publishing.MESSAGES_PER_FILE", 2)
    options = ReplayOptions(replay_dir=tmp_path / "in")
    publisher = replay.publisher(options)
    publisher.publish([Message(PRODUCT.name, None, b"%d" % n, NOON) for n in range(5)], lambda *_: None)
    folder = tmp_path / "in" / PRODUCT.name
    assert sorted(file.name for file in folder.iterdir()) == ["0001.jsonl", "0002.jsonl"]
    publisher.close()
    places = [(record.partition, record.offset) for record in replay.records(PRODUCT, options)]
    assert places == [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2)]


def test_a_message_is_acknowledged_when_its_file_is_there(tmp_path: Path) -> None:
    publisher = replay.publisher(ReplayOptions(replay_dir=tmp_path / "in"))
    acknowledged: list[tuple[bytes | None, bool]] = []
    publisher.publish(
        [Message(PRODUCT.name, b"k", b"v", NOON)],
        lambda message, failure: acknowledged.append((message.value, failure is None)),
    )
    assert acknowledged == []
    publisher.flush()
    assert acknowledged == [(b"v", True)]


def test_a_message_whose_file_cannot_be_written_is_acknowledged_with_the_reason(tmp_path: Path) -> None:
    publisher = replay.publisher(ReplayOptions(replay_dir=tmp_path / "in"))
    failures: list[Exception | None] = []
    publisher.publish([Message(PRODUCT.name, b"k", b"v", NOON)], lambda _, failure: failures.append(failure))
    (tmp_path / "in" / PRODUCT.name).write_text("in the way")
    publisher.close()
    assert [type(failure) for failure in failures] == [FileExistsError]


def test_the_bundled_events_are_not_published_over() -> None:
    with pytest.raises(SourceError, match=r"holds the bundled events.*remedy: --replay-dir DIR"):
        replay.publisher(ReplayOptions(replay_dir=BUNDLED))
