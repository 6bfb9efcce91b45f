"""The jobs' commands: `python -m jobs COMMAND`, and `twinstream COMMAND`."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, cast

import jobs
from jobs.engine.checkpoint import path_of
from jobs.engine.job import Job
from jobs.laptop import jars
from sources import base as sources
from sources.fault import Fault
from sources.flags import Parser, argument, flag, options

DEMO = ("streaming_product_discounts", "popular_products_recommendation")


def modules() -> list[str]:
    """Return the names of all jobs, that is, of this package's modules that have a JOB."""
    names = [module.name for module in pkgutil.iter_modules(jobs.__path__) if not module.ispkg]
    return sorted(name for name in names if hasattr(importlib.import_module(f"jobs.{name}"), "JOB"))


def load(name: str) -> Job[Any]:
    """Return the job called `name`; exit with code 2, naming the known jobs, if there is none."""
    if name not in modules():
        _fail(f"no job named {name!r}; known: {', '.join(modules())}")
    return cast("Job[Any]", importlib.import_module(f"jobs.{name}").JOB)


def list_jobs(arguments: list[str]) -> int:
    """Print each job's name and the first line of its documentation."""
    Parser(prog="twinstream list").parse(arguments)
    for name in modules():
        documentation = importlib.import_module(f"jobs.{name}").__doc__ or ""
        print(f"{name:34}{documentation.splitlines()[0]}")
    return 0


def run_job(arguments: list[str]) -> int:
    """Run the job that the first argument names."""
    from jobs.engine.run import run

    return run(_named("run", arguments), arguments[1:])


def demo(arguments: list[str]) -> int:
    """Run both main jobs over the bundled events, with checkpoints that are discarded afterwards."""
    Parser(prog="twinstream demo").parse(arguments)
    # Use only Java's quick compiler: the demo ends before the optimizing one pays off.
    os.environ.setdefault("SPARK_SUBMIT_OPTS", "-XX:TieredStopAtLevel=1")
    with tempfile.TemporaryDirectory(prefix="twinstream-demo-") as root:
        flags = ["--source", "replay", "--sink", "console", "--checkpoint-root", root]
        return max(run_job([name, *flags]) for name in DEMO)


@dataclass(frozen=True)
class ResetOptions:
    """Which checkpoint to delete."""

    job: str = argument("job whose checkpoint to delete", choices=modules)
    source: str = flag("source that the job read", default="replay", choices=sources.names)
    checkpoint_root: str = flag("directory of all checkpoints", default=".checkpoints")


def reset(arguments: list[str]) -> int:
    """Delete the checkpoint of a job that reads a source, including the dead letters in it."""
    from jobs.engine.checkpoint import delete, held
    from jobs.engine.session import session

    given = options(ResetOptions, arguments, prog="twinstream reset")
    path = path_of(given.checkpoint_root, given.job, given.source)
    try:
        with held(path):
            deleted = delete(session("reset"), path)
    except (Fault, OSError) as fault:
        print(f"twinstream reset: {fault}", file=sys.stderr)
        return 1
    print(f"{path}: {'deleted' if deleted else 'there was none'}")
    return 0


def package(arguments: list[str]) -> int:
    """Write the package that is shipped to a cluster."""
    from jobs.laptop.promotion.package import command

    return command(arguments)


def plan(arguments: list[str]) -> int:
    """Print the reasons a job cannot run on Dataproc, or every command that deploys it there."""
    from jobs.laptop.promotion.plan import command

    return command(_named("plan", arguments), arguments[1:])


def submit(arguments: list[str]) -> int:
    """Submit a job to Dataproc."""
    from jobs.laptop.promotion.submit import command

    return command(_named("submit", arguments), arguments[1:])


def cutover(arguments: list[str]) -> int:
    """Plan a job's migration from Pub/Sub Lite to Kafka, or prove that it counted every event once."""
    from jobs.laptop.cutover.command import command

    return command(_named("cutover", arguments), arguments[1:])


def dead_letters(arguments: list[str]) -> int:
    """List, show, export or resend the messages that the jobs rejected."""
    from jobs.laptop.dead_letters.command import command

    return command(arguments)


def doctor(arguments: list[str]) -> int:
    """Report what keeps the product from running on this machine."""
    from jobs.laptop.doctor.command import command

    return command(arguments)


@dataclass(frozen=True)
class Command:
    """A command: what runs it, the arguments that its usage shows, and what it does."""

    run: Callable[[list[str]], int]
    arguments: str
    about: str


def new(arguments: list[str]) -> int:
    """Write a new job, its test and its row in the README."""
    from jobs.laptop.new import command

    return command(arguments)


COMMANDS: dict[str, Command] = {
    "list": Command(list_jobs, "", "list the jobs, one line each"),
    "run": Command(run_job, "JOB [FLAG ...]", "run a job; `run JOB --help` lists its flags"),
    "demo": Command(demo, "", "run both main jobs over the bundled events"),
    "reset": Command(reset, "JOB [FLAG ...]", "delete a job's checkpoint, so that its next run starts over"),
    "jars": Command(jars.command, "[SET ...]", "fetch the connector jars that Spark lacks"),
    "package": Command(package, "[FLAG ...]", "build the package that a cluster runs"),
    "plan": Command(plan, "JOB [FLAG ...]", "check a job against Dataproc and print the gcloud commands"),
    "submit": Command(submit, "JOB [FLAG ...]", "run those commands"),
    "cutover": Command(cutover, "JOB [FLAG ...]", "move a job from Pub/Sub Lite to Kafka, and prove it"),
    "dead-letters": Command(dead_letters, "...", "list, show, export or resend rejected messages"),
    "new": Command(new, "job NAME", "write a new job, its test and its row in the README"),
    "doctor": Command(doctor, "", "report what keeps the product from running here, with remedies"),
}


def main(arguments: list[str]) -> int:
    """Run a command and return its exit code."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage())
        return 0 if arguments else 2
    if arguments[0] not in COMMANDS:
        _fail(f"no command {arguments[0]!r}; known: {', '.join(COMMANDS)}")
    return COMMANDS[arguments[0]].run(arguments[1:])


def usage() -> str:
    """Return the usage text, with a line about each command."""
    lines = [f"  {f'{name} {one.arguments}':<22} {one.about}" for name, one in COMMANDS.items()]
    return "\n".join(["usage: python -m jobs COMMAND ...", "", *lines])


def _named(command: str, arguments: list[str]) -> Job[Any]:
    """Return the job that the first argument names."""
    if not arguments or arguments[0].startswith("-"):
        _fail(f"{command}: no job named; known: {', '.join(modules())}")
    return load(arguments[0])


def _fail(message: str) -> NoReturn:
    print(f"twinstream: {message}", file=sys.stderr)
    sys.exit(2)
