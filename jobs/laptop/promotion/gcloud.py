"""The gcloud commands of a target, each with its project and location."""

from __future__ import annotations

from collections.abc import Iterable

from jobs.laptop.promotion.target import Target

Command = tuple[str, ...]


def gcloud(target: Target, *words: str) -> Command:
    """Return a command in the target's project, or in gcloud's own if none was given."""
    project = (f"--project={target.project}",) if target.project else ()
    return ("gcloud", *words, *project)


def dataproc(target: Target, *words: str) -> Command:
    """Return a Dataproc command in the target's region."""
    return gcloud(target, "dataproc", *words, f"--region={target.region}")


def copy(target: Target, files: Iterable[object], folder: str) -> Command:
    """Return a command that copies files into a folder of the bucket.

    It skips files that are already there: their names identify their contents.
    """
    return gcloud(target, "storage", "cp", *map(str, files), f"{folder}/", "--no-clobber")


def cluster_description(target: Target) -> Command:
    """Return a command that describes the cluster and fails if there is none."""
    return dataproc(target, "clusters", "describe", target.cluster, "--format=json")
