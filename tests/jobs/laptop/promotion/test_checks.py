"""The checks: a plan that cannot work is refused with reason and remedy, and with all reasons at once."""

from datetime import date
from pathlib import Path

import pytest

from jobs.laptop.promotion import submission_checks
from jobs.laptop.promotion.package import build
from jobs.laptop.promotion.promotion import promotion
from jobs.laptop.promotion.target import parse, parser
from jobs.streaming_product_discounts import JOB as DISCOUNTS
from tests.jobs.laptop.promotion.plans import (
    DELTA,
    IMAGE,
    KAFKA,
    LITE,
    PLACE,
    TODAY,
    commands,
    planned,
    refusals,
    warnings,
)

LITE_JARS = "https://github.com/googleapis/java-pubsublite-spark"
VERSIONS = "https://cloud.google.com/dataproc/docs/concepts/versioning/dataproc-version-clusters"
USE_2_3 = "remedy: --image-version 2.3-debian12"

# The spoiled flag, and the one reason that follows.
REFUSED = {
    "Scala 2.13": (
        [*LITE, "--sink=parquet", "--image-version=3.0-debian13"],
        "--source pubsublite on 3.0-debian13: the pubsublite jars need Scala 2.12 and Spark 3.3 or 3.5, the"
        f" runtime has Scala 2.13 and Spark 4.1 ({LITE_JARS}); {USE_2_3}",
    ),
    "no image": (
        [*PLACE, "--source=pubsublite", "--project-number=1", *DELTA],
        "--image-version: not given, and a cluster without one gets the newest image, now 3.0-debian13 with"
        f" Spark 4.1 and Scala 2.13; {USE_2_3}",
    ),
    "an unknown image": (
        [*LITE, "--image-version=2.3"],
        "--image-version 2.3: unknown; expected one of 2.1-debian11, 2.2-debian12, 2.3-debian12,"
        f" 3.0-debian13, or a sub-minor one such as 2.3.12-debian12; {USE_2_3}",
    ),
    "a wheel": (
        [*LITE, "--package=dist/twinstream-0.1.0-py3-none-any.whl"],
        "--package dist/twinstream-0.1.0-py3-none-any.whl: not a folder; expected one that `twinstream"
        " package` made, because Dataproc takes the jobs as a zip beside the entry file (--py-files takes no"
        " .whl); remedy: twinstream package",
    ),
    "no project number": (
        [*PLACE, IMAGE, "--source=pubsublite", *DELTA],
        "--project-number: not given; Google's connector for Pub/Sub Lite takes the project's number, not its"
        " id; remedy: --project-number"
        " $(gcloud projects describe my-project --format='value(projectNumber)')",
    ),
    "scopes": (
        [*LITE, "--scopes=storage-rw,logging-write"],
        "--scopes storage-rw,logging-write: the machines could not log in to Pub/Sub Lite or Managed Kafka;"
        " expected cloud-platform; remedy: --scopes cloud-platform",
    ),
    "packages from Maven": (
        [*KAFKA, "--properties=^#^spark.jars.packages=org.apache.spark:x:1,a:b:2"],
        "--properties spark.jars.packages=org.apache.spark:x:1,a:b:2: machines without external addresses"
        " cannot fetch it, and the job hangs at its start; remedy: leave it out: the plan stages the jars on"
        " gs:// and names them by --jars",
    ),
    "a run that ends, to be restarted": (
        [*KAFKA, "--trigger=available-now", "--max-failures-per-hour=5"],
        "--trigger available-now --max-failures-per-hour 5: such a driver exits with 0 when it has read what"
        " is there, and Dataproc restarts failures only; remedy: --trigger continuous-batches, or leave"
        " --max-failures-per-hour out for one run",
    ),
    "a stream that is not restarted": (
        [*KAFKA, "--max-failures-per-hour", "0"],
        "--max-failures-per-hour 0: a driver that fails would stay down; expected 1 to 10 for an endless"
        " stream; remedy: --max-failures-per-hour 5",
    ),
    "too many restarts": (
        [*KAFKA, "--max-failures-per-hour", "11"],
        "--max-failures-per-hour 11: Dataproc takes at most 10; remedy: --max-failures-per-hour 10",
    ),
    "a broker on the laptop": (
        [*KAFKA, "--kafka-bootstrap-servers", "broker:9092,localhost:9092"],
        "--kafka-bootstrap-servers broker:9092,localhost:9092: localhost:9092 is every machine's own address,"
        " and no broker runs on the cluster's; remedy: the brokers' address, or --kafka-cluster NAME"
        " --project ID for Google's Managed Service",
    ),
    "files of the laptop": (
        [*PLACE, IMAGE, *DELTA, "--source=replay", "--replay-dir=events"],
        "--source replay --replay-dir events: files of this machine, which a cluster cannot read; expected a"
        " broker; remedy: --source pubsublite or --source kafka, and twinstream publish to put events"
        " there",
    ),
    "a checkpoint on one machine": (
        [*LITE, "--checkpoint-root", ".checkpoints"],
        "--checkpoint-root .checkpoints: a folder of one machine or of a cluster, gone with it; expected"
        " gs://; remedy: --checkpoint-root gs://my-bucket/checkpoints",
    ),
    "dead letters on one machine": (
        [*LITE, "--dead-letter-dir=/tmp/dead"],
        "--dead-letter-dir /tmp/dead: a folder of one machine or of a cluster, gone with it; expected gs://;"
        " remedy: --dead-letter-dir gs://my-bucket/tmp/dead",
    ),
    "results on the cluster": (
        [*LITE, "--sink-path=hdfs:///insights"],
        "--sink-path hdfs:///insights: a folder of one machine or of a cluster, gone with it; expected gs://;"
        " remedy: --sink-path gs://my-bucket/insights",
    ),
    "results nowhere": (
        [*PLACE, IMAGE, "--project-number=1", "--source=pubsublite", "--sink=delta"],
        "--sink-path: not given; --sink delta needs it; remedy: --sink-path"
        " gs://my-bucket/twinstream/results/streaming_product_discounts",
    ),
    "results in no table": (
        [*PLACE, IMAGE, "--project-number=1", "--source=pubsublite", "--sink=bigquery"],
        "--sink-table: not given; --sink bigquery needs it; remedy: --sink-table DATASET.TABLE",
    ),
    "no discounts": (
        [*LITE, "--discounts=nowhere.csv"],
        "--discounts nowhere.csv: no such file on this machine to stage; expected one, or a place in a"
        " bucket; remedy: --discounts FILE, or --discounts gs://my-bucket/…",
    ),
    "a zone for a region": (
        [*LITE, "--region=us-central1-a", "--pubsublite-location=us-central1-a"],
        "--region us-central1-a: expected a region such as us-central1; remedy: --region us-central1",
    ),
    "a cluster's name": (
        [*LITE, "--cluster=Spark_Streaming"],
        "--cluster Spark_Streaming: expected lower-case letters, digits and -, such as spark-streaming;"
        " remedy: --cluster CLUSTER",
    ),
    "a bucket's name": (
        [*LITE, "--bucket=gs://My-Bucket/folder"],
        "--bucket My-Bucket/folder: expected a bucket's name, such as my-bucket; remedy: --bucket BUCKET",
    ),
    "a label": (
        [*LITE, "--labels=Team=Data Science,env=prod"],
        "--labels Team=Data Science: expected lower-case letters, digits, - and _, 63 at most, the name with"
        " a letter first; remedy: --labels team=data-science",
    ),
    "a secret": (
        [*KAFKA, "--properties=^#^spark.kafka.jaas=Login required password='hunter2';"],
        "spark.kafka.jaas=…: looks like a secret, and all who may see the job would read it; remedy: the"
        " machines' service account (--service-account), or Secret Manager",
    ),
    "a Kafka cluster without its project": (
        [*PLACE[:3], IMAGE, "--source=kafka", "--kafka-bootstrap-servers=b:1", "--kafka-cluster=k", *DELTA],
        "--kafka-cluster k: the broker's address contains the project's id, which is not given; remedy:"
        " --project ID (gcloud config get project)",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("flags", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_work_is_refused_with_reason_and_remedy(
    tmp_path: Path, flags: list[str], reason: str
) -> None:
    made = planned(tmp_path / "dist", *flags)
    assert refusals(made) == [reason]
    assert made.sections == ()
    assert not (tmp_path / "dist").exists()


LONGEST = {
    "the most restarts": ["--max-failures-per-hour=10"],
    "the fewest restarts": ["--max-failures-per-hour=1"],
    "a cluster's longest name": [f"--cluster=a{'b' * 51}"],
    "a bucket's longest name": [f"--bucket=a{'b' * 62}"],
    "a bucket's shortest name": ["--bucket=abc"],
    "the longest label": [f"--labels=a{'b' * 62}={'c' * 63}"],
    "a label without a value": ["--labels=a="],
    "a project's longest id": [f"--project=a{'b' * 29}"],
}


@pytest.mark.parametrize("flags", LONGEST.values(), ids=LONGEST)
def test_what_google_just_takes_is_not_refused(tmp_path: Path, flags: list[str]) -> None:
    target, of_the_job, _ = parse(parser("plan"), [f"--output={tmp_path}", *KAFKA, *flags])
    wanted = promotion(DISCOUNTS, target, of_the_job)
    assert [str(found) for check in submission_checks.CHECKS for found in check(wanted, TODAY)] == []


TOO_LONG = {
    "a cluster's name": [f"--cluster=a{'b' * 52}"],
    "a bucket's name": [f"--bucket=a{'b' * 63}"],
    "a bucket's short name": ["--bucket=ab"],
    "a label": [f"--labels=a={'c' * 64}"],
    "a label's name": [f"--labels=a{'b' * 63}=c"],
    "a project's id": [f"--project=a{'b' * 30}"],
}


@pytest.mark.parametrize("flags", TOO_LONG.values(), ids=TOO_LONG)
def test_what_is_a_letter_too_long_or_short_is_refused(tmp_path: Path, flags: list[str]) -> None:
    (reason,) = refusals(planned(tmp_path, *KAFKA, "--sink-path=gs://bucket/insights", *flags))
    assert reason.startswith(flags[0].replace("=", " ", 1))


@pytest.mark.parametrize("flags", [LITE, KAFKA], ids=["pubsublite", "kafka"])
def test_a_good_plan_is_not_refused(tmp_path: Path, flags: tuple[str, ...]) -> None:
    made = planned(tmp_path, *flags)
    assert refusals(made) == []
    assert [section.title for section in made.sections][-4:] == [
        "The release: stage the package and submit", "Watch", "Stop", "Go back",
    ]  # fmt: skip


def test_image_3_0_gets_the_jars_of_its_own_spark(tmp_path: Path) -> None:
    managed = ("--source=kafka", "--kafka-cluster=events")
    made = planned(tmp_path, *PLACE, *managed, *DELTA, "--image-version=3.0.3-debian13")
    assert refusals(made) == []
    (release,) = (one for one in made.sections if one.title.startswith("The release"))
    submit = "\n".join(" ".join(step.command) for step in release.steps)
    assert "spark-sql-kafka-0-10_2.13-4.1.2.jar" in submit
    assert "delta-spark_4.1_2.13-4.3.1.jar" in submit
    assert "managed-kafka-auth-login-handler-1.0.6.jar" in submit
    assert "_2.12-" not in submit
    # Its own Guava is new enough for Google's login.
    assert "guava" not in submit
    assert "userClassPathFirst" not in submit


def test_a_package_for_another_image_is_refused(tmp_path: Path) -> None:
    older = build(["kafka", "delta"], tmp_path).folder
    flags = (*KAFKA, "--image-version=3.0-debian13", f"--package={older}")
    assert refusals(planned(tmp_path, *flags)) == [
        f"--package {older}: lacks the jars delta-spark-4.1, kafka-spark-4.1 of this source and sink; remedy:"
        " leave --package out, or the flags that it was made with"
    ]


def test_every_reason_is_told_at_once(tmp_path: Path) -> None:
    flags = ["--image-version=2.1-debian11", "--scopes=sql", "--labels=A=b", "--checkpoint-root=c"]
    made = planned(tmp_path, *KAFKA, *flags)
    assert [reason.split(":")[0] for reason in refusals(made)] == [
        "2.1-debian11", "2.1-debian11", "--source kafka on 2.1-debian11", "--sink delta on 2.1-debian11",
        "--checkpoint-root c", "--scopes sql", "--labels A=b",
    ]  # fmt: skip


def test_an_image_is_refused_from_the_day_after_its_support_ended(tmp_path: Path) -> None:
    last = planned(tmp_path, *LITE, today=date(2027, 6, 9))
    assert refusals(last) == []
    after = planned(tmp_path, *LITE, today=date(2027, 6, 10))
    (reason,) = refusals(after)
    assert reason.startswith("2.3-debian12: Google's support ended on 2027-06-09 (https://cloud.google.com/")


def test_an_image_with_an_older_python_is_refused(tmp_path: Path) -> None:
    reasons = refusals(planned(tmp_path, *LITE, "--sink=parquet", "--image-version=2.1-debian11"))
    assert reasons == [
        f"2.1-debian11: Google's support ended on 2026-03-31 ({VERSIONS}, read 2026-11-22); {USE_2_3}",
        f"2.1-debian11: has Python 3.10; expected 3.11 or newer, which the code is written for; {USE_2_3}",
    ]


@pytest.mark.parametrize(("version", "scala"), [("1.2", "2.12"), ("2.3", "2.13")])
def test_serverless_is_refused_for_its_end_and_its_scala(tmp_path: Path, version: str, scala: str) -> None:
    reasons = refusals(planned(tmp_path, *LITE, "--sink=parquet", f"--serverless={version}"))
    assert any(
        reason.startswith(f"--serverless {version}: a serverless batch is cut after its ttl (4 hours unless")
        for reason in reasons
    )
    assert any("need Scala 2.12, the runtime has Scala 2.13" in reason for reason in reasons) == (
        scala == "2.13"
    )


def test_missing_jars_are_refused_with_the_command_that_fetches_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWINSTREAM_JARS", str(tmp_path))
    reasons = refusals(planned(tmp_path / "dist", *LITE))
    assert [reason.rpartition("; ")[2] for reason in reasons] == [
        "remedy: twinstream jars pubsublite", "remedy: twinstream jars delta",
    ]  # fmt: skip


def test_a_password_is_never_staged(tmp_path: Path) -> None:
    login = [*KAFKA, "--kafka-auth=plain", "--kafka-username=ann"]
    assert refusals(planned(tmp_path, *login, "--kafka-password-file=password")) == [
        "--kafka-password-file password: a file of this machine, which a plan does not stage, because many"
        " may read a bucket; expected a path on the cluster's machines; remedy: --kafka-password-file"
        " /etc/twinstream/password, put there from Secret Manager by an initialization action, or"
        " --kafka-auth managed on Google's Kafka, which needs no file"
    ]
    made = planned(tmp_path, *login, "--kafka-password-file=/etc/password", "--kafka-tls-ca=/etc/ca.pem")
    assert refusals(made) == []
    assert warnings(made) == [
        f"{flag}: read on the cluster's main machine, where a plan cannot look; remedy: an initialization"
        " action of the cluster that puts it there from Secret Manager"
        for flag in ("--kafka-password-file /etc/password", "--kafka-tls-ca /etc/ca.pem")
    ]
    assert not any("cp" in command and "/etc" in word for command in commands(made) for word in command)


def test_what_the_image_brings_is_not_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.sinks.parquet.jars", lambda _: ("bigquery",))
    made = planned(tmp_path, *LITE, "--sink=parquet")
    assert refusals(made) == []
    assert [jar.name for jar in made.shipped.jar_files] == [
        "pubsublite-spark-sql-streaming-1.0.0-with-dependencies.jar"
    ]


def test_an_older_package_must_have_the_jars_of_this_source(tmp_path: Path) -> None:
    older = build(["pubsublite"], tmp_path)
    assert refusals(planned(tmp_path, *LITE, f"--package={older.folder}")) == [
        f"--package {older.folder}: lacks the jars delta of this source and sink; remedy: leave"
        " --package out, or the flags that it was made with"
    ]
    assert planned(tmp_path, *LITE, "--sink=parquet", f"--package={older.folder}").package == older


def test_what_one_should_know_is_a_warning_and_no_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWINSTREAM_WINDOW", "5 minutes")
    made = planned(
        tmp_path, *PLACE, IMAGE, "--source=pubsublite", "--project-number=1",
        "--pubsublite-location=europe-west1-b", "--trigger=available-now",
    )  # fmt: skip
    assert refusals(made) == []
    assert [text.split(": ")[0] for text in warnings(made)] == [
        "--source pubsublite", "--pubsublite-location europe-west1-b", "--watermark 10 seconds",
        "--sink console", "--trigger available-now", "TWINSTREAM_WINDOW",
    ]  # fmt: skip
    assert "(https://docs.cloud.google.com/pubsub/lite/docs, read 2026-11-22)" in warnings(made)[0]
    assert made.promotion.invocation.own.window == "1 minute"


@pytest.mark.parametrize(
    ("flags", "warned"),
    [
        ((*LITE, "--watermark=119 seconds"), 1),
        ((*LITE, "--watermark=2 minutes"), 0),
        ((*KAFKA, "--watermark=10 seconds"), 0),
    ],
)
def test_a_watermark_shorter_than_what_a_partition_of_lite_may_be_ahead(
    tmp_path: Path, flags: tuple[str, ...], warned: int
) -> None:
    said = [text for text in warnings(planned(tmp_path, *flags)) if text.startswith("--watermark ")]
    assert len(said) == warned
    assert all(text.endswith('; remedy: --watermark "2 minutes"') for text in said)


def test_no_day_makes_the_announced_end_of_lite_a_refusal(tmp_path: Path) -> None:
    days = [date(2026, 11, 23), date(2027, 5, 1)]
    assert [refusals(planned(tmp_path, *LITE, today=day)) for day in days] == [[], []]


def test_in_a_rehearsal_this_machine_is_the_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_kafka = [*KAFKA, "--kafka-bootstrap-servers=localhost:9092"]
    on_files = [*PLACE, IMAGE, *DELTA, "--source=replay"]

    def refused() -> list[int]:
        return [len(refusals(planned(tmp_path, *flags))) for flags in (on_kafka, on_files)]

    assert refused() == [1, 1]
    monkeypatch.setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_DATAPROC", "https://dataproc.example.com/")
    assert refused() == [1, 1]
    monkeypatch.setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_DATAPROC", "http://127.0.0.1:8123/")
    assert refused() == [0, 0]
    without_project = [IMAGE, *DELTA, *(flag for flag in PLACE if not flag.startswith("--project"))]
    managed = planned(tmp_path, *without_project, "--source=kafka", "--kafka-cluster=events")
    assert refusals(managed) == [
        "--kafka-cluster events: the broker's address contains the project's id, which is not given; "
        "remedy: --project ID (gcloud config get project)"
    ]


def test_lites_jars_do_not_go_with_managed_kafkas(tmp_path: Path) -> None:
    """Found by a rehearsal: every executor was lost to a ClassCastException in scala.concurrent.duration."""
    lite = [flag for flag in LITE if not flag.startswith("--sink")]
    flags = [*lite, "--sink=kafka", "--sink-topic=insights"]
    assert refusals(planned(tmp_path, *flags, "--kafka-cluster=events")) == [
        "--source pubsublite with the managed-kafka jars: the pubsublite jars bring a Scala of their own, "
        "and the managed-kafka jars need all jars loaded before Spark's: no executor could register; "
        "remedy: a sink other than Managed Kafka, or --source kafka"
    ]
    assert refusals(planned(tmp_path, *flags, "--kafka-bootstrap-servers=broker:9092")) == []
