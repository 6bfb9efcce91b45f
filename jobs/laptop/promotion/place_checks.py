"""Checks that everything the job reads and writes can be reached from a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from jobs.engine import sink
from jobs.engine.flag import Flag, to_timedelta
from jobs.laptop.promotion.finding import Finding, refused, warning
from jobs.laptop.promotion.promotion import Promotion
from jobs.laptop.promotion.target import is_local
from jobs.sinks import bigquery, kafka
from sources.kafka import login as kafka_login
from sources.pubsublite import paths as pubsublite_paths


def no_replay(promotion: Promotion, today: date) -> Iterator[Finding]:
    """Refuse replay, because its files are on this machine."""
    if promotion.options.source == "replay" and not promotion.target.rehearsal:
        yield refused(
            f"--source replay --replay-dir {promotion.options.replay_dir}",
            "files of this machine, which a cluster cannot read; expected a broker",
            "--source pubsublite or --source kafka, and python -m sources publish to put events there",
        )


def reachable_broker(promotion: Promotion, today: date) -> Iterator[Finding]:
    """Refuse brokers on this machine."""
    options, target = promotion.options, promotion.target
    if "kafka" not in (options.source, options.sink) or target.rehearsal:
        return
    servers = str(options.kafka_bootstrap_servers)
    if local := [server for server in servers.split(",") if is_local(server)]:
        yield refused(
            f"--kafka-bootstrap-servers {servers}",
            f"{local[0]} is every machine's own address, and no broker runs on the cluster's",
            "the brokers' address, or --kafka-cluster NAME --project ID for Google's Managed Service",
        )
    if target.kafka_cluster and not target.project:
        yield refused(
            f"--kafka-cluster {target.kafka_cluster}",
            "the broker's address contains the project's id, which is not given",
            "--project ID (gcloud config get project)",
        )


def login_files_there(promotion: Promotion, today: date) -> Iterator[Finding]:
    """Refuse login files that are not on the driver's machine; warn about those that should be.

    A plan carries no secrets, because many people may be able to read a bucket.
    """
    options = promotion.options
    if "kafka" not in (options.source, options.sink) or promotion.target.rehearsal:
        return
    for flag, path in kafka_login.files(options).items():
        if not path.startswith("/"):
            yield refused(
                f"{flag} {path}",
                "a file of this machine, which a plan does not stage, for many may read a bucket; "
                "expected a path on the cluster's machines",
                f"{flag} /etc/twinstream/{path.rpartition('/')[2]}, put there from Secret Manager by an "
                "initialization action, or --kafka-auth managed on Google's Kafka, which needs no file",
            )
        else:
            yield warning(
                f"{flag} {path}",
                "read on the cluster's main machine, where a plan cannot look",
                "an initialization action of the cluster that puts it there from Secret Manager",
            )


def known_project_number(promotion: Promotion, today: date) -> Iterator[Finding]:
    """Refuse Pub/Sub Lite without a project number, because its connector does not accept an id."""
    if promotion.options.source == "pubsublite" and not promotion.options.pubsublite_project:
        project = promotion.target.project or "ID"
        yield refused(
            "--project-number",
            "not given; Google's connector for Pub/Sub Lite takes the project's number, not its id",
            f"--project-number $(gcloud projects describe {project} --format='value(projectNumber)')",
        )


def same_region(promotion: Promotion, today: date) -> Iterator[Finding]:
    """Warn about Lite topics outside the cluster's region: such a stream is slow and is billed twice."""
    options, target = promotion.options, promotion.target
    if options.source == "pubsublite" and pubsublite_paths.region(options) != target.region:
        yield warning(
            f"--pubsublite-location {options.pubsublite_location}",
            f"another region than the cluster's {target.region}: every event is carried between them",
            f"--region {pubsublite_paths.region(options)}, or topics in {target.region}",
        )


def watermark_waits_for_partitions(promotion: Promotion, today: date) -> Iterator[Finding]:
    """Warn about a watermark too short for Google's connector, which learns partition ends once a minute.

    java-pubsublite-spark, LimitingHeadOffsetReader: the ends are cached for a minute, partition by partition.
    """
    options = promotion.options
    if options.source == "pubsublite" and to_timedelta(options.watermark) < _AHEAD:
        yield warning(
            f"--watermark {options.watermark}",
            "the connector learns the end of each partition once a minute, each at another time: one can be "
            "a minute ahead of another, whose events are late then; expected 2 minutes or more",
            '--watermark "2 minutes"',
        )


def folders_in_the_bucket(promotion: Promotion, today: date) -> Iterator[Finding]:
    """Refuse folders that do not outlive the cluster or that not all of its machines see."""
    for flag in _folders(promotion):
        path = getattr(promotion.options, flag.removeprefix("--").replace("-", "_"))
        if path and not path.startswith("gs://"):
            yield refused(
                f"{flag} {path}",
                "a folder of one machine or of a cluster, gone with it; expected gs://",
                f"{flag} gs://{promotion.target.bucket}/{path.rpartition('://')[2].strip('./') or 'folder'}",
            )


def sink_is_told(promotion: Promotion, today: date) -> Iterator[Finding]:
    """Refuse a sink that is not told where to write."""
    name = promotion.options.sink
    for flag in sink.load(name).FLAGS:
        if flag in _PLACES and not getattr(promotion.options, flag.dest):
            place = _PLACES[flag].format(root=promotion.target.root, job=promotion.job.name)
            yield refused(flag.name, f"not given; --sink {name} needs it", f"{flag.name} {place}")


def nobody_sees_the_console(promotion: Promotion, today: date) -> Iterator[Finding]:
    """Warn about results that are not kept."""
    if promotion.options.sink == "console":
        yield warning(
            "--sink console",
            "results are lines in the driver's output, and nothing else has them",
            f"--sink delta --sink-path {promotion.target.root}/results/{promotion.job.name}",
        )


def tables_there(promotion: Promotion, today: date) -> Iterator[Finding]:
    """Refuse static tables that cannot be staged from here."""
    for table in promotion.tables:
        if not table.file.is_file():
            yield refused(
                f"{table.flag} {table.file}",
                "no such file on this machine to stage; expected one, or a place in a bucket",
                f"{table.flag} FILE, or {table.flag} gs://{promotion.target.bucket}/…",
            )


def _folders(promotion: Promotion) -> Iterator[str]:
    yield from ("--checkpoint-root", "--dead-letter-dir")
    if sink.PATH in sink.load(promotion.options.sink).FLAGS:
        yield sink.PATH.name


_AHEAD = timedelta(minutes=2)
_PLACES: dict[Flag, str] = {
    sink.PATH: "{root}/results/{job}",
    kafka.TOPIC: "TOPIC",
    bigquery.TABLE: "DATASET.TABLE",
}

CHECKS = (
    no_replay,
    reachable_broker,
    login_files_there,
    known_project_number,
    same_region,
    watermark_waits_for_partitions,
    folders_in_the_bucket,
    sink_is_told,
    nobody_sees_the_console,
    tables_there,
)
