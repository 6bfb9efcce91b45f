"""The streams' positions in Spark's offset log, in checkpoints of this release and of earlier ones."""

from __future__ import annotations

import json
from pathlib import Path

from pyspark.sql import SparkSession

from jobs.engine import offset_log
from jobs.engine.run import run
from jobs.popular_products_recommendation import JOB
from sources.catalog import BROWSING, PURCHASE
from tests.jobs.engine.test_run import event, places, replay

ORDER = {"quantity": 1, "unit_price": 10}
STREAMS = ("browsing-stream", "purchase-stream")
READS = ("purchase-stream", "browsing-stream")


def run_over(folder: Path, *minutes: int) -> tuple[Path, dict[str, int]]:
    """Run the job to its end, with a view and a purchase at each minute, each in a batch of its own.

    Return its checkpoint and where its streams stand: the number of their last file.
    """
    flag = replay(folder, BROWSING, *([event(f"b{at}", at)] for at in minutes))
    replay(folder, PURCHASE, *([event(f"p{at}", at + 0.5, **ORDER)] for at in minutes[:-1]))
    assert run(JOB, [flag, "--max-future-skew=1 day", *places(folder)]) == 0
    checkpoint = folder / "checkpoints" / JOB.name / "replay"
    found = offset_log.positions(newest(checkpoint)[-1].read_text(), READS, STREAMS)
    return checkpoint, {stream: json.loads(position)["logOffset"] for stream, position in found.items()}


def newest(checkpoint: Path) -> list[Path]:
    """Return the last two files of the offset log."""
    files = sorted(int(file.name) for file in (checkpoint / "offsets").glob("[0-9]*"))
    return [checkpoint / "offsets" / str(number) for number in files[-2:]]


def test_a_checkpoint_that_an_earlier_release_began_continues(spark: SparkSession, tmp_path: Path) -> None:
    """That one also listed the streams of the dead letters, in the job's order, after those of the rows.

    Three files of the one stream and two of the other are a batch each: they end at offsets 2 and 1.
    """
    checkpoint, stands = run_over(tmp_path, 0, 1, 2)
    assert stands == {"browsing-stream": 2, "purchase-stream": 1}
    for file in newest(checkpoint):
        *header, purchase, browsing = file.read_text().splitlines()
        file.write_text("\n".join([*header, purchase, browsing, browsing, purchase]))
        (file.parent / f".{file.name}.crc").unlink(missing_ok=True)
    contract = checkpoint / "twinstream.json"
    saved = json.loads(contract.read_text())
    del saved["contract"]["reads"]
    contract.write_text(json.dumps(saved))
    (checkpoint / ".twinstream.json.crc").unlink(missing_ok=True)
    before = offset_log.positions(newest(checkpoint)[-1].read_text(), [], STREAMS)
    assert {stream: json.loads(position)["logOffset"] for stream, position in before.items()} == stands
    assert run_over(tmp_path, 0, 1, 2, 60, 120)[1] == {"browsing-stream": 4, "purchase-stream": 3}
    assert json.loads(contract.read_text())["contract"]["reads"] == list(READS)
    rows = spark.read.parquet(str(tmp_path / "rows"))
    columns = "date_format(window_start, 'HH:mm')", "purchases"
    assert [tuple(row) for row in rows.selectExpr(*columns).collect()] == [("12:00", 3)]


def test_a_stream_that_was_never_read_has_no_position() -> None:
    log = 'v1\n{"batchWatermarkMs":0}\n{"logOffset":4}\n-'
    assert offset_log.positions(log, READS, STREAMS) == {"purchase-stream": '{"logOffset":4}'}
    earlier = log + '\n-\n{"logOffset":4}'
    assert offset_log.positions(earlier, [], STREAMS) == {"purchase-stream": '{"logOffset":4}'}
