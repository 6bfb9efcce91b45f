"""Activity of one stream in tumbling, sliding or session windows of event time."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.engine.job import Emission, Inputs, Job
from jobs.engine.run import run
from sources.catalog import STREAMS
from sources.durations import duration
from sources.flags import flag

WINDOW_TYPES = ("tumbling", "sliding", "session")


def transform(
    events: DataFrame,
    window_type: str = "tumbling",
    window: str = "1 minute",
    slide: str = "30 seconds",
    gap: str = "5 minutes",
) -> DataFrame:
    """Count events per window and key: the user for session windows, the product for all others.

    `events`: `event_time timestamp, user_id string, product_id string`. `window` is the length of tumbling
    and sliding windows; a sliding one starts every `slide`, and a session ends `gap` after its last event.
    Rows: `window_start timestamp, window_end timestamp, key string, events bigint`.
    """
    of_type: dict[str, tuple[Column, str]] = {
        "tumbling": (F.window("event_time", window), "product_id"),
        "sliding": (F.window("event_time", window, slide), "product_id"),
        "session": (F.session_window("event_time", gap), "user_id"),
    }
    period, key = of_type[window_type]
    counted = events.groupBy(period.alias("period"), F.col(key).alias("key")).agg(
        F.count("*").alias("events")
    )
    return counted.select(
        F.col("period.start").alias("window_start"), F.col("period.end").alias("window_end"), "key", "events"
    )


@dataclass(frozen=True)
class Options:
    """The job's own options."""

    stream: str = flag("stream to read", default="browsing-stream", choices=tuple(STREAMS))
    window_type: str = flag("type of windows", default="tumbling", choices=WINDOW_TYPES)
    window: str = flag("length of each window", default="1 minute", parse=duration)
    slide: str = flag("interval between the starts of sliding windows", default="30 seconds", parse=duration)
    gap: str = flag("inactivity that ends a session", default="5 minutes", parse=duration)


def _rows(inputs: Inputs[Options]) -> DataFrame:
    options = inputs.options
    events = inputs.events(STREAMS[options.stream])
    return transform(events, options.window_type, options.window, options.slide, options.gap)


def _counted(inputs: Inputs[Options]) -> DataFrame:
    return inputs.events(STREAMS[inputs.options.stream]).withColumnRenamed("product_id", "key")


def _emission(options: Options) -> Emission:
    of_type = {
        "tumbling": Emission(options.window),
        "sliding": Emission(options.slide, length=options.window),
        "session": Emission("1 millisecond", after=options.gap, length=None),
    }
    return of_type[options.window_type]


def _append_only(options: Options) -> str:
    return "a session's bounds move until it is final" if options.window_type == "session" else ""


JOB = Job(
    name="product_activity_windows",
    options=Options,
    streams=lambda options: (STREAMS[options.stream],),
    rows=_rows,
    key=("window_start", "key"),
    emission=_emission,
    append_only=_append_only,
    counted=_counted,
    count="events",
)


def main(arguments: list[str] | None = None) -> int:
    """Run the job and return the exit code."""
    return run(JOB, arguments)


if __name__ == "__main__":
    sys.exit(main())
