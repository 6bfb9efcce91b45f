"""Checks that only Google can answer, made by gcloud just before a job is submitted."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from jobs.engine.checkpoint import CONTRACT, parse_contract
from jobs.laptop.promotion import runtimes
from jobs.laptop.promotion.gcloud import cluster_description, dataproc, gcloud
from jobs.laptop.promotion.plan import Plan
from jobs.laptop.promotion.promotion import Promotion
from jobs.laptop.promotion.release_steps import labels
from sources.fault import Fault

NOTHING_THERE = "matched no objects"
"""gcloud's message about a file that does not exist in a bucket."""


class Stopped(Fault):
    """The reason the deployment stops: finding, expectation and remedy."""


def asked(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a gcloud command and return its result; raise Stopped if there is no gcloud."""
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            env=unattended(os.environ),
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except FileNotFoundError:
        raise no_gcloud() from None


def unattended(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a gcloud that never prompts."""
    return {**environment, "CLOUDSDK_CORE_DISABLE_PROMPTS": "1"}


def no_gcloud() -> Stopped:
    """Return the exception to raise if there is no gcloud."""
    return Stopped(
        "no gcloud on PATH",
        expected="the Google Cloud CLI",
        remedy="install google-cloud-cli",
    )


def cluster_fits(promotion: Promotion) -> None:
    """Raise Stopped if the cluster does not exist or is not the kind that the plan was made for."""
    answer = asked(cluster_description(promotion.target))
    if answer.returncode != 0:
        raise Stopped(
            answer.stderr.strip(),
            remedy="--create-cluster makes it",
        )
    cluster = json.loads(answer.stdout)
    config = cluster.get("config", {})
    image = config.get("softwareConfig", {}).get("imageVersion", "")
    if image and runtimes.image(image) != promotion.runtime:
        raise Stopped(
            f"cluster {promotion.target.cluster} runs image {image}",
            expected=f"{promotion.target.image_version}, which was checked",
            remedy=f"another cluster, or --image-version {image} to have that one checked",
        )
    scopes = config.get("gceClusterConfig", {}).get("serviceAccountScopes", ["cloud-platform"])
    if not any(scope.endswith("cloud-platform") for scope in scopes):
        raise Stopped(
            f"cluster {promotion.target.cluster} has the scopes {', '.join(scopes)}",
            expected="cloud-platform, which a cluster gets when it is made",
            remedy="another --cluster, with --create-cluster",
        )


def checkpoint_continues(promotion: Promotion) -> None:
    """Raise Stopped if the checkpoint is another query's; what only the job can check is left to it."""
    answer = asked(gcloud(promotion.target, "storage", "cat", f"{promotion.checkpoint}/{CONTRACT}"))
    if answer.returncode != 0:
        if NOTHING_THERE in answer.stderr:
            return
        raise Stopped(
            answer.stderr.strip(),
            expected="to be allowed to read the checkpoint's folder",
        )
    old = parse_contract(answer.stdout)
    of = promotion.invocation
    new = replace(old, job=of.job.name, source=of.source.name, settings=of.state_settings)
    if differences := new.differences(old):
        raise Stopped(
            f"{promotion.checkpoint}: this run cannot continue the checkpoint: {'; '.join(differences)}",
            remedy=(
                "undo that, give another --checkpoint-root, or start over: gcloud storage "
                f"rm --recursive {promotion.checkpoint}"
            ),
        )


def running_twin(plan: Plan) -> str:
    """Return the id of the job that already runs exactly as this one would, '' if there is none.

    Raise Stopped if a different job uses the same checkpoint.
    """
    target, expected = plan.promotion.target, labels(plan.promotion, plan.shipped)
    command = dataproc(
        target, "jobs", "list", f"--cluster={target.cluster}", "--state-filter=active", "--format=json"
    )
    answer = asked(command)
    if answer.returncode != 0:
        raise Stopped(
            answer.stderr.strip(),
            expected=f"the list of jobs on {target.cluster}",
        )
    for job in json.loads(answer.stdout or "[]"):
        if job.get("labels", {}).get("checkpoint") == expected["checkpoint"]:
            return _same(job, plan, expected)
    return ""


def _same(job: Any, plan: Plan, expected: Mapping[str, str]) -> str:
    job_id = str(job["reference"]["jobId"])
    if (
        job["labels"].get("package") == expected["package"]
        and tuple(job["pysparkJob"]["args"]) == plan.promotion.arguments
    ):
        print(f"# - runs already: {job_id}", flush=True)
        return job_id
    raise Stopped(
        f"job {job_id} runs on the checkpoint {plan.promotion.checkpoint}, with package "
        f"{job['labels'].get('package')} or other flags",
        expected="none, because two break each other's state",
        remedy=(
            f"gcloud dataproc jobs kill {job_id} --region={plan.promotion.target.region}, then run this again"
        ),
    )
