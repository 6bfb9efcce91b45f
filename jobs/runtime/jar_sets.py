"""The jar sets a run needs, in one place for the session that finds them and the package that ships them."""

from __future__ import annotations

from argparse import Namespace

from jobs.sinks import sink as sinks
from sources import source as sources


def jar_sets(options: Namespace) -> tuple[str, ...]:
    """Return the jar sets (`docker/spark/ivy.xml`) beyond Spark's own that source, sink and their flags need.

    Each set occurs once.
    """
    source, sink = sources.load(options.source), sinks.load(options.sink)
    return tuple(dict.fromkeys((*source.jars(options), *sink.jars(options))))
