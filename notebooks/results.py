"""The Delta tables that the running jobs have written, read without Spark."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

VARIABLE = "TWINSTREAM_RESULTS"


def folder() -> Path | None:
    """Return the folder with a table per job; None if TWINSTREAM_RESULTS does not name a folder."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named and Path(named).is_dir() else None


def tables() -> dict[str, pd.DataFrame]:
    """Return every table as it is now, by its job's name, with times in UTC; empty if there are none."""
    from deltalake import DeltaTable

    place = folder()
    found = sorted(log.parent for log in place.glob("*/_delta_log")) if place else []
    return {table.name: _without_zones(DeltaTable(table).to_pandas()) for table in found}


def why_none(job: str) -> str:
    """Return why there is no table of this job, in one line."""
    place = folder()
    if place is None:
        return f"no results: {VARIABLE} names no folder; `docker compose up` sets it"
    return f"no table {place / job} yet: twinstream run {job} --sink delta --sink-path {place / job}"


def _without_zones(rows: pd.DataFrame) -> pd.DataFrame:
    zoned = rows.select_dtypes("datetimetz").columns
    return rows.assign(**{name: rows[name].dt.tz_convert("UTC").dt.tz_localize(None) for name in zoned})
