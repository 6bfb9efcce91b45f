"""`twinstream cutover`: plans a job's migration from Pub/Sub Lite to Kafka and proves it afterwards."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from py4j.protocol import Py4JJavaError

from jobs.engine.failure import failure
from jobs.engine.job import Job
from jobs.engine.session import session
from jobs.laptop.cutover import report
from jobs.laptop.cutover.cutover import plan
from jobs.laptop.cutover.migration import parse_migration
from jobs.laptop.cutover.proof import prove
from sources.fault import Fault
from sources.flags import Parser, flag, flags, switch


@dataclass(frozen=True)
class CutoverOptions:
    """The command's own options."""

    prove: bool = switch("after the switch: check that every event was counted exactly once")
    format: str = flag(
        "output format; flags: those of the new run alone, for a script",
        default="text",
        choices=("text", "json", "flags"),
    )


def command(job: Job[Any], arguments: Sequence[str]) -> int:
    """Plan or prove a cut-over; return 0, or 1 if it is refused, or if events are lost or counted twice.

    Exit with code 2 if the command line is wrong.
    """
    known = _parser()
    parsed, of_the_job = known.parse_known(arguments)
    options = parsed.of(CutoverOptions)
    if options.prove and options.format == "flags":
        known.error("--format flags: a proof has none; expected text or json")
    runs = parse_migration(job, known, of_the_job)
    try:
        sets = dict.fromkeys((*runs.old.jar_sets, *runs.new.jar_sets))
        spark = session(f"{job.name}-cutover", sets, runs.old.sink.it.SETTINGS)
        if options.prove:
            proof = prove(spark, runs)
            proof.show(options.format)
            return int(proof.failed)
        planned = plan(spark, runs)
    except Fault as fault:
        message = str(fault)
    except (Py4JJavaError, OSError) as error:
        message = failure(error)
    else:
        report.show(planned, options.format)
        return int(planned.refused)
    print(f"twinstream cutover: {message}", file=sys.stderr)
    return 1


def _parser() -> Parser:
    known = Parser(
        prog="twinstream cutover JOB",
        usage="%(prog)s [--prove] [--format F] [the running job's flags] [--kafka-… flags of the new run]",
        epilog="The job's own flags are those of `twinstream run JOB --help`, as the run on Pub/Sub Lite "
        "has them; --kafka-starting and --windows-after are what this finds out. Nothing is changed.",
    )
    known.accept(flags(CutoverOptions))
    return known
