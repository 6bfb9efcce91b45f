"""The gcloud commands of a target: each with the project and place that it is for."""

from __future__ import annotations

from collections.abc import Iterable

from jobs.promotion.target import Target

Command = tuple[str, ...]


def gcloud(target: Target, *words: str) -> Command:
    """A command in the target's project, gcloud's own where none was given."""
    project = (f"--project={target.project}",) if target.project else ()
    return ("gcloud", *words, *project)


def dataproc(target: Target, *words: str) -> Command:
    """A Dataproc command in the target's region."""
    return gcloud(target, "dataproc", *words, f"--region={target.region}")


def copy(target: Target, files: Iterable[object], folder: str) -> Command:
    """Copy files into a folder of the bucket where they are not yet: their names say what is in them."""
    return gcloud(target, "storage", "cp", *map(str, files), f"{folder}/", "--no-clobber")


def cluster_description(target: Target) -> Command:
    """Asks for the cluster; fails where there is none."""
    return dataproc(target, "clusters", "describe", target.cluster, "--format=json")
