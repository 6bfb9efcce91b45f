"""The steps of a release and those for a running job: stage, submit, watch, stop, roll back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from jobs.laptop.promotion.gcloud import copy, dataproc, gcloud
from jobs.laptop.promotion.package import PREFIX, Package
from jobs.laptop.promotion.promotion import Promotion
from jobs.laptop.promotion.runtimes import connector
from jobs.laptop.promotion.step import JOB_ID, Section, Step
from jobs.laptop.promotion.target import joined

SETTINGS = {
    # One per CPU of two workers with four each; each has state in the bucket. The first start freezes it.
    "spark.sql.shuffle.partitions": "8",
}


def sections(promotion: Promotion, package: Package) -> Iterator[Section]:
    """Yield the release's commands, then those to be run by hand."""
    yield Section(
        "The release: stage the package and submit",
        (*_stage(promotion, package), _submit(promotion, package)),
    )
    yield Section("Watch", tuple(_watch(promotion)), by_hand=True)
    yield Section("Stop", tuple(_stop(promotion)), by_hand=True)
    yield Section("Go back", tuple(_back(promotion)), by_hand=True)


def labels(promotion: Promotion, package: Package) -> dict[str, str]:
    """Return the submitted job's labels.

    They say what runs, so that a job's twin is found before a second one is started.
    """
    own = {"app": "twinstream", "job": promotion.job.name, "source": promotion.invocation.source.name}
    checkpoint = hashlib.sha256(promotion.checkpoint.encode()).hexdigest()[:12]
    return {**promotion.target.labels, **own, "package": package.version, "checkpoint": checkpoint}


def _stage(promotion: Promotion, package: Package) -> Iterator[Step]:
    target = promotion.target
    if package.jars:
        jars = copy(target, package.jar_files, f"{target.root}/jars")
        yield Step("The jars, because the machines cannot fetch any", jars)
    files = (package.archive, package.entry(promotion.job.name))
    yield Step("The code: a zip, and the entry file alone", copy(target, files, _place(promotion, package)))
    for table in promotion.tables:
        command = gcloud(target, "storage", "cp", str(table.file), table.place)
        yield Step(f"{table.flag}; the same command later brings a new one into the running job", command)


def _submit(promotion: Promotion, package: Package) -> Step:
    target, place = promotion.target, _place(promotion, package)
    flags = [f"--cluster={target.cluster}", f"--py-files={place}/{package.archive.name}"]
    if package.jars:
        flags.append("--jars=" + ",".join(f"{target.root}/jars/{file.name}" for file in package.jar_files))
    loading = {
        name: value
        for jar_set in promotion.shipped_sets
        for name, value in connector(jar_set).properties.items()
    }
    flags.append(f"--properties={joined({**SETTINGS, **loading, **target.properties})}")
    flags.append(f"--labels={joined(labels(promotion, package))}")
    if promotion.restarts:
        flags.append(f"--max-failures-per-hour={promotion.restarts}")
    flags += ["--async", "--format=value(reference.jobId)"]
    entry = f"{place}/{package.entry(promotion.job.name).name}"
    command = dataproc(target, "jobs", "submit", "pyspark", entry, *flags)
    return Step("Submit; prints the job's id", (*command, "--", *promotion.arguments), names_job=True)


def _watch(promotion: Promotion) -> Iterator[Step]:
    target = promotion.target
    yield Step("The driver's output, until it ends", dataproc(target, "jobs", "wait", f"${JOB_ID}"))
    yield Step("State, restarts and the last error", dataproc(target, "jobs", "describe", f"${JOB_ID}"))
    active = dataproc(target, "jobs", "list", f"--cluster={target.cluster}", "--state-filter=active")
    yield Step("What runs on the cluster", active)


def _stop(promotion: Promotion) -> Iterator[Step]:
    kill = dataproc(promotion.target, "jobs", "kill", f"${JOB_ID}")
    yield Step("The next submission continues at the checkpoint", kill)


def _back(promotion: Promotion) -> Iterator[Step]:
    target = promotion.target
    yield Step(
        "Packages that were staged; stop the job, then `twinstream submit` with the same flags and "
        f"--package {target.output}/{PREFIX}VERSION",
        gcloud(target, "storage", "ls", f"{target.root}/packages/"),
    )
    yield Step(
        "Start over if an old package cannot continue: delete the checkpoint, and write results elsewhere",
        gcloud(target, "storage", "rm", "--recursive", promotion.checkpoint),
    )


def _place(promotion: Promotion, package: Package) -> str:
    return f"{promotion.target.root}/packages/{package.version}"
