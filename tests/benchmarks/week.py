"""The traces of a week's run, made in minutes: the job's own directories, with each batch's traces backdated.

The job must have run on them first, so that there is a table, and state with a snapshot in every partition.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

from jobs.engine.progress_file import ProgressFile
from jobs.sinks import delta_rs

SECONDS = 5
"""Seconds between two batches, as in docker-compose.yml."""
WEEK = 7 * 24 * 3600 // SECONDS
A_MINUTE = 60 // SECONDS
TIDY_EVERY = 96
"""In batches; the job's 100 would fall within a minute, whose file is replaced by its next batch."""
DELETED = re.compile(r'("deletionTimestamp":)\d+')
STATE = re.compile(r"(\d+)\.(delta|snapshot)")


def age_table(table: Path, batches: int) -> None:
    """Make a table look upserted `batches` times up to now, with some rows of one minute each, and tidied."""
    log = table / "_delta_log"
    delta = DeltaTable(table)
    version, rows = delta.version(), delta.to_pyarrow_table().slice(0, 8)
    begun = time.time() - batches * SECONDS
    last: dict[str, Any] | None = None
    for batch in range(batches):
        at = begun + batch * SECONDS
        if batch % A_MINUTE == 0:
            minute, last = _minute(table, rows, at), None
        add = _copied(minute, f"part-{batch:07}.parquet", at)
        remove = last and {"path": last["path"], "deletionTimestamp": int(at * 1000), "dataChange": True}
        info = {"timestamp": int(at * 1000), "operation": "MERGE"}
        actions = ({"commitInfo": info}, *([{"remove": remove}] if remove else ()), {"add": add})
        version += 1
        commit = log / f"{version:020}.json"
        commit.write_text("".join(json.dumps(action) + "\n" for action in actions))
        os.utime(commit, (at, at))
        last = add
        if (batch + 1) % TIDY_EVERY == 0:
            _compact(table, at)
            delta_rs.tidy(str(table))
            version = DeltaTable(table).version()
            _backdate(table, at)


def _compact(table: Path, at: float) -> None:
    """Compact the table as of `at`, because tidying deletes only files that were replaced an hour ago."""
    delta = DeltaTable(table)
    delta.optimize.compact()
    commit = table / "_delta_log" / f"{delta.version():020}.json"
    commit.write_text(DELETED.sub(rf"\g<1>{int(at * 1000)}", commit.read_text()))


def _backdate(table: Path, at: float) -> None:
    """Backdate to `at` what was just written: the log is truncated up to a checkpoint that is old enough."""
    for folder in (table, table / "_delta_log"):
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_file() and entry.stat().st_mtime > at:
                    os.utime(entry.path, (at, at))


def _minute(table: Path, rows: pa.Table, at: float) -> Path:
    """Write the rows as those of the window around `at`, in a file that no log names."""
    start = datetime.fromtimestamp(at // 60 * 60, UTC)
    for name, value in (("window_start", start), ("window_end", start + timedelta(minutes=1))):
        column = pa.array([value] * rows.num_rows, rows.schema.field(name).type)
        rows = rows.set_column(rows.schema.get_field_index(name), rows.schema.field(name), column)
    file = table / "_minute.parquet"
    pq.write_table(rows, file)
    return file


def _copied(minute: Path, name: str, at: float) -> dict[str, Any]:
    file = minute.with_name(name)
    shutil.copyfile(minute, file)
    os.utime(file, (at, at))
    ends = {"window_end": datetime.fromtimestamp(at // 60 * 60 + 60, UTC).isoformat()}
    stats = {"numRecords": 8, "minValues": ends, "maxValues": ends, "nullCount": {"window_end": 0}}
    times = {"modificationTime": int(at * 1000), "dataChange": True}
    return {
        "path": name,
        "partitionValues": {},
        "size": file.stat().st_size,
        **times,
        "stats": json.dumps(stats),
    }


def has_snapshots(checkpoint: Path) -> bool:
    """Return whether every partition of the state can be read from a snapshot on."""
    partitions = {file.parent for file in checkpoint.glob("state/**/*.delta")}
    return bool(partitions) and all(any(one.glob("*.snapshot")) for one in partitions)


def age_checkpoint(checkpoint: Path, batches: int) -> None:
    """Raise the last batch's number by `batches`; Spark keeps the last hundred, whatever the number."""
    for crc in checkpoint.rglob(".*.crc"):
        crc.unlink()
    for log in ("offsets", "commits"):
        for file in (checkpoint / log).iterdir():
            if file.name.isdecimal():
                file.rename(file.with_name(str(int(file.name) + batches)))
    for partition in {file.parent for file in checkpoint.glob("state/**/*.delta")}:
        first = max(int(file.stem) for file in partition.glob("*.snapshot"))
        for file in list(partition.iterdir()):
            if match := STATE.fullmatch(file.name):
                moved = file.with_name(f"{int(match[1]) + batches}.{match[2]}")
                file.rename(moved) if int(match[1]) >= first else file.unlink()


def age_dead_letters(letters: Path, first: int, batches: int) -> None:
    """Give every one of these batches a dead letter."""
    fields = {"reason": "user_id is missing", "stream": "product-stream", "partition": 0, "value": "{}"}
    for number in range(first, first + batches):
        folder = letters / f"batch={number}"
        folder.mkdir(parents=True)
        (folder / "part-00000.txt").write_text(json.dumps({**fields, "offset": number}) + "\n")
        for name in (".part-00000.txt.crc", "._SUCCESS.crc", "_SUCCESS"):
            (folder / name).touch()
        at = time.time() - (first + batches - number) * SECONDS
        os.utime(folder / "_SUCCESS", (at, at))


def age_progress(folder: Path, job: str, first: int, batches: int) -> None:
    """Report these batches through the job's own progress file."""
    file = ProgressFile(str(folder), job)
    line = json.loads((folder / f"{job}.jsonl").read_text().splitlines()[-1])
    for number in range(first, first + batches):
        file.add({**line, "batch": number})
