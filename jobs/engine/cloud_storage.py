"""`gs://` in a session on this machine, by Google's own connector; Dataproc's sessions have it already."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

JAR_SET = "gs"
ENDPOINT = "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE"
"""The variable that leads gcloud to another Cloud Storage, such as the local Dataproc's: Spark follows it."""
_PREFIX = "spark.hadoop.fs.gs"
_SERVICE = "storage/v1/"


def jar_sets(values: Iterable[object]) -> tuple[str, ...]:
    """Return the connector's jar set if one of the options' values is a path on Cloud Storage."""
    return (JAR_SET,) if any(str(value).startswith("gs://") for value in values) else ()


def settings() -> dict[str, str]:
    """Return Spark's settings for the connector, which uses the application default credentials.

    The names are those of its CONFIGURATION.md (github.com/GoogleCloudDataproc/hadoop-connectors).
    """
    chosen = {
        f"{_PREFIX}.impl": "com.google.cloud.hadoop.fs.gcs.GoogleHadoopFileSystem",
        f"{_PREFIX}.auth.type": "APPLICATION_DEFAULT",
    }
    if token_uri := _token_uri(os.environ.get("GOOGLE_APPLICATION_CREDENTIALS", "")):
        chosen[f"{_PREFIX}.token.server.url"] = token_uri
    if endpoint := os.environ.get(ENDPOINT):
        chosen[f"{_PREFIX}.storage.root.url"] = endpoint.removesuffix(_SERVICE)
    return chosen


def _token_uri(file: str) -> str | None:
    """Return where a credentials file says that its tokens come from; the connector would not look there."""
    try:
        return str(json.loads(Path(file).read_text())["token_uri"]) if file else None
    except (OSError, ValueError, KeyError, TypeError):
        return None  # the connector itself says what is wrong with the file
