"""The plan's commands: in order, ready to paste into a shell, and accepted by gcloud itself."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.engine.jar_files import CHECKOUT
from jobs.laptop.promotion import plan
from jobs.laptop.promotion.package import build
from jobs.laptop.promotion.plan import Plan
from jobs.laptop.promotion.step import JOB_ID
from jobs.laptop.promotion.target import Target
from jobs.streaming_product_discounts import JOB as DISCOUNTS
from sources.flags import flags
from tests.jobs.laptop.promotion.plans import IMAGE, KAFKA, LITE, PLACE, commands, planned

BUCKET = "gs://my-bucket/twinstream"
MANAGED = (
    *PLACE, IMAGE, "--project-number=123456", "--source=kafka", "--kafka-cluster=events",
    "--sink=kafka", "--sink-topic=insights",
)  # fmt: skip
# Reads commands, one JSON array per line, with the parser of the installed gcloud.
GCLOUDS_PARSER = """
import json, sys
sys.path[:0] = [sys.argv[1] + "/lib", sys.argv[1] + "/lib/third_party"]
from googlecloudsdk import gcloud_main
parser = gcloud_main.CreateCLI([])._CLI__parser
for line in sys.stdin:
    parser.parse_args(json.loads(line))
"""


def purposes(made: Plan) -> list[str]:
    return [step.purpose for section in made.sections for step in section.steps]


def test_the_way_of_a_lite_job_in_order(tmp_path: Path) -> None:
    assert purposes(planned(tmp_path, *LITE)) == [
        "Switch the APIs on",
        "Machines without external addresses reach Google's services",
        "The cluster's machines may act as roles/dataproc.worker",
        "The cluster's machines may act as roles/pubsublite.subscriber",
        "The cluster's machines may act as roles/pubsublite.viewer",
        "For the package, checkpoints and driver output",
        "The Dataproc cluster, its image pinned",
        "product-stream: the topic",
        "product-stream: its subscription, from the oldest event on",
        "The jars, because the machines cannot fetch any",
        "The code: a zip, and the entry file alone",
        "--discounts; the same command later brings a new one into the running job",
        "Submit; prints the job's id",
        "The driver's output, until it ends",
        "State, restarts and the last error",
        "What runs on the cluster",
        "The next submission continues at the checkpoint",
        f"Packages that were staged; stop the job, then `twinstream submit` with the same flags and"
        f" --package {tmp_path}/twinstream-VERSION",
        "Start over if an old package cannot continue: delete the checkpoint, and write results elsewhere",
    ]


def test_the_submission_names_everything_in_the_bucket(tmp_path: Path) -> None:
    made = planned(
        tmp_path, *LITE, "--window", "2 minutes", "--properties=spark.driver.memory=4g", "--labels=env=prod"
    )
    assert made.package
    place = f"{BUCKET}/packages/{made.package.version}"
    (submit,) = [command for command in commands(made) if "submit" in command]
    assert submit == (
        "gcloud", "dataproc", "jobs", "submit", "pyspark", f"{place}/streaming_product_discounts.py",
        "--cluster=spark-streaming", f"--py-files={place}/jobs.zip",
        f"--jars={BUCKET}/jars/delta-spark_2.12-3.2.1.jar,{BUCKET}/jars/delta-storage-3.2.1.jar,"
        f"{BUCKET}/jars/pubsublite-spark-sql-streaming-1.0.0-with-dependencies.jar",
        "--properties=spark.sql.shuffle.partitions=8,spark.driver.memory=4g",
        "--labels=env=prod,app=twinstream,job=streaming_product_discounts,source=pubsublite,"
        f"package={made.package.version},checkpoint=94e30a575f0a",
        "--max-failures-per-hour=5", "--async", "--format=value(reference.jobId)",
        "--region=us-central1", "--project=my-project", "--",
        f"--checkpoint-root={BUCKET}/checkpoints", "--pubsublite-project=123456",
        "--source=pubsublite", "--sink=delta", "--sink-path=gs://my-bucket/insights", "--window", "2 minutes",
        f"--discounts={BUCKET}/tables/user_product_discounts.csv",
    )  # fmt: skip


def test_a_managed_kafka_cluster_is_made_and_its_address_is_the_jobs(tmp_path: Path) -> None:
    made = planned(tmp_path, *MANAGED)
    assert made.promotion.invocation.source.options.kafka_bootstrap_servers == (
        "bootstrap.events.us-central1.managedkafka.my-project.cloud.goog:9092"
    )
    created = [command for command in commands(made) if command[1] == "managed-kafka" and "create" in command]
    place = ("--location=us-central1", "--project=my-project")
    size = ("--cluster=events", "--partitions=2", "--replication-factor=3")
    assert created == [
        ("gcloud", "managed-kafka", "clusters", "create", "events", "--cpu=3", "--memory=3GiB",
         "--subnets=projects/my-project/regions/us-central1/subnetworks/default", *place),
        ("gcloud", "managed-kafka", "topics", "create", "product-stream-topic", *size, *place),
        ("gcloud", "managed-kafka", "topics", "create", "insights", *size, *place),
    ]  # fmt: skip


def test_a_job_on_managed_kafka_logs_in_as_the_machines_account(tmp_path: Path) -> None:
    made = planned(tmp_path, *MANAGED)
    assert "The cluster's machines may act as roles/managedkafka.client" in purposes(made)
    (submit,) = [command for command in commands(made) if "submit" in command]
    assert "--kafka-auth=managed" in submit
    (jars,) = [word.split(",") for word in submit if word.startswith("--jars=")]
    assert f"{BUCKET}/jars/managed-kafka-auth-login-handler-1.0.6.jar" in jars
    assert len(jars) == 4 + 14
    assert (
        "--properties=spark.sql.shuffle.partitions=8,spark.driver.userClassPathFirst=true,"
        "spark.executor.userClassPathFirst=true"
    ) in submit


def test_a_sink_on_managed_kafka_logs_in_too(tmp_path: Path) -> None:
    made = planned(
        tmp_path, *PLACE, IMAGE, "--project-number=1", "--source=kafka", "--kafka-cluster=events",
        "--sink=kafka", "--sink-topic=insights",
    )  # fmt: skip
    assert made.promotion.invocation.sink.options.kafka_auth == "managed"
    assert "The cluster's machines may act as roles/managedkafka.client" in purposes(made)
    assert "The topic insights" in purposes(made)
    assert made.promotion.invocation.sink.options.kafka_bootstrap_servers == (
        "bootstrap.events.us-central1.managedkafka.my-project.cloud.goog:9092"
    )


def test_bigquery_is_switched_on_and_reached_by_the_images_own_connector(tmp_path: Path) -> None:
    made = planned(
        tmp_path, *PLACE, IMAGE, "--project-number=123456", "--source=pubsublite",
        "--sink=bigquery", "--sink-table=insights.discounts",
    )  # fmt: skip
    assert [purpose for purpose in purposes(made) if "roles/bigquery" in purpose] == [
        "The cluster's machines may act as roles/bigquery.dataEditor",
        "The cluster's machines may act as roles/bigquery.jobUser",
    ]
    (enabled,) = [command for command in commands(made) if command[1:3] == ("services", "enable")]
    assert "bigquery.googleapis.com" in enabled
    (submit,) = [command for command in commands(made) if "submit" in command]
    assert f"--jars={BUCKET}/jars/pubsublite-spark-sql-streaming-1.0.0-with-dependencies.jar" in submit
    assert submit[-3:-1] == ("--sink=bigquery", "--sink-table=insights.discounts")


def test_a_rehearsal_has_to_be_brought_what_an_image_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_DATAPROC", "http://127.0.0.1:8123/")
    made = planned(tmp_path, *PLACE, IMAGE, "--source=replay", "--sink=bigquery", "--sink-table=a.b")
    assert [name.partition("/")[0] for name in made.shipped.jars] == ["bigquery"]


def test_who_names_another_login_is_heard(tmp_path: Path) -> None:
    made = planned(tmp_path, *MANAGED, "--kafka-auth=none")
    assert made.promotion.invocation.source.options.kafka_auth == "none"
    assert not any("userClassPathFirst" in word for command in commands(made) for word in command)


def test_a_run_that_ends_has_no_restarts(tmp_path: Path) -> None:
    made = planned(tmp_path, *KAFKA, "--trigger=available-now")
    assert not any("max-failures" in word for command in commands(made) for word in command)


def test_without_a_project_gclouds_own_is_used(tmp_path: Path) -> None:
    made = planned(tmp_path, *(flag for flag in LITE if not flag.startswith("--project=")))
    assert not any(word.startswith("--project") for command in commands(made) for word in command)
    assert "The cluster's machines may act as roles/dataproc.worker" not in purposes(made)


def test_discounts_in_a_bucket_stay_where_they_are(tmp_path: Path) -> None:
    made = planned(tmp_path, *LITE, "--discounts", "gs://other/discounts.csv")
    assert made.promotion.arguments[-2:] == ("--discounts", "gs://other/discounts.csv")
    assert not any("tables" in word for command in commands(made) for word in command)


def test_discounts_of_this_machine_are_replaced_by_their_copy(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("user_id,product_id,discount_percent\n")
    made = planned(tmp_path, *LITE, "--discounts", str(file))
    assert str(file) not in made.promotion.arguments
    assert made.promotion.arguments[-1] == f"--discounts={BUCKET}/tables/mine.csv"
    copied = ("gcloud", "storage", "cp", str(file), f"{BUCKET}/tables/mine.csv", "--project=my-project")
    assert copied in commands(made)


def test_an_older_package_is_what_is_submitted(tmp_path: Path) -> None:
    older = build(["delta", "pubsublite"], tmp_path / "older")
    made = planned(tmp_path, *LITE, f"--package={older.folder}")
    words = [word for command in commands(made) for word in command]
    assert str(older.archive) in words
    assert f"--py-files={BUCKET}/packages/{older.version}/jobs.zip" in words


def test_flags_may_come_mixed_or_behind_two_dashes(tmp_path: Path) -> None:
    job_flags = ["--window", "2 minutes", "--source", "pubsublite", "--sink=delta", "--sink-path=gs://b/x"]
    own = [*PLACE, IMAGE, "--project-number=1"]
    ways = [[*job_flags, *own], [*own, "--", *job_flags], [*job_flags[:2], *own, *job_flags[2:]]]
    made = [planned(tmp_path, *way) for way in ways]
    assert len({one.promotion.arguments for one in made}) == 1
    assert made[0].promotion.invocation.own.window == "2 minutes"


@pytest.mark.parametrize(
    ("flags", "said"),
    {
        "--sorce=kafka": (
            "streaming_product_discounts: unrecognized arguments: --sorce=kafka; did you mean --source? "
            "(see --help)\n"
        ),
        "--window=5": (
            "streaming_product_discounts: argument --window: '5': expected a number and a unit, like '30"
            " seconds' or '10 minutes' (see --help)\n"
        ),
        "--labels=x": (
            "twinstream plan JOB: argument --labels: 'x' in 'x': expected NAME=VALUE,NAME=VALUE"
            " (see --help)\n"
        ),
        "--max-failures-per-hour=-1": (
            "twinstream plan JOB: argument --max-failures-per-hour: '-1': expected a whole number"
            " (see --help)\n"
        ),
        "--region=": ("twinstream plan JOB: --region: not given; expected where the job goes (see --help)\n"),
    }.items(),
)
def test_a_wrong_command_line_ends_with_code_2_and_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: str, said: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        planned(tmp_path, *LITE, flags)
    assert ended.value.code == 2
    assert capsys.readouterr().err == said


def test_no_flag_of_the_plan_is_also_a_jobs(capsys: pytest.CaptureFixture[str]) -> None:
    from jobs.engine import command_line
    from jobs.laptop.commands import load, modules

    own = {flag.name for kind in (Target, plan.PlanOptions) for flag in flags(kind)}
    for name in modules():
        with pytest.raises(SystemExit):
            command_line.parse(load(name), ["--help"])
    assert own & set(capsys.readouterr().out.replace(",", " ").split()) == set()


# Stands in for gcloud to show what a shell makes of the text; records its words and returns a job id.
LISTENER = f"""#!/bin/sh
exec {shlex.quote(sys.executable)} - "$0" "$@" <<'END'
import json, sys
with open(sys.argv[1] + ".heard", "a") as heard:
    print(json.dumps(sys.argv[2:]), file=heard)
print("job-1")
END
"""


def test_a_shell_reads_the_very_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = planned(tmp_path, *LITE, "--window", "2 minutes", "--properties=^#^spark.a=b c$d'e#spark.f=g,h")
    plan.show(made, "text")
    gcloud = tmp_path / "gcloud"
    gcloud.write_text(LISTENER)
    gcloud.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    script = capsys.readouterr().out
    subprocess.run(["bash", "-euc", script], env=environment, capture_output=True, check=True, timeout=120)
    heard = [json.loads(line) for line in (tmp_path / "gcloud.heard").read_text().splitlines()]
    steps = [step.command[1:] for section in made.sections for step in section.steps]
    assert heard == [["job-1" if word == f"${JOB_ID}" else word for word in words] for words in steps]


@pytest.mark.needs("gcloud")
@pytest.mark.parametrize("flags", [LITE, MANAGED, [*LITE, "--service-account=a@b.iam.gserviceaccount.com"]])
def test_gcloud_takes_every_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: list[str]
) -> None:
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
    asked = ["gcloud", "info", "--format=value(basic.python_location,installation.sdk_root)"]
    python, root = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()
    lines = "\n".join(json.dumps(command[1:]) for command in commands(planned(tmp_path, *flags)))
    ran = subprocess.run(
        [python, "-c", GCLOUDS_PARSER, root],
        input=lines,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr


def run_plan(*flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "jobs", "plan", *flags]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=120, check=False)


def test_a_refused_plan_ends_with_code_1_and_prints_no_command(tmp_path: Path) -> None:
    ran = run_plan(
        "streaming_product_discounts", *LITE, "--image-version=3.0-debian13", f"--output={tmp_path}"
    )
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert "refused: --source pubsublite on 3.0-debian13: the pubsublite jars need Scala 2.12" in ran.stderr


def test_a_job_must_be_named_first() -> None:
    ran = run_plan(*LITE)
    assert ran.returncode == 2
    assert ran.stderr == (
        "twinstream: plan: no job named; known: popular_products_recommendation,"
        " product_activity_windows, streaming_product_discounts\n"
    )


def test_json_says_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert plan.command(DISCOUNTS, [*LITE, "--format=json", "--setup", f"--output={tmp_path}"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["job"], told["runtime"], told["refused"]) == (
        "streaming_product_discounts", "2.3-debian12", False,
    )  # fmt: skip
    assert {one["title"]: one["runs"] for one in told["sections"]} == {
        "The project, once": True,
        "The bucket, once": True,
        "The clusters, once; they cost money while they stand": False,
        "The streams, once": True,
        "The release: stage the package and submit": True,
        "Watch": False,
        "Stop": False,
        "Go back": False,
    }
    assert told["sections"][0]["steps"][0]["command"][:3] == ["gcloud", "services", "enable"]
    assert plan.command(DISCOUNTS, [*KAFKA, "--format=json", "--scopes=sql", f"--output={tmp_path}"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["refused"] is True
    assert [one["what"] for one in told["findings"]] == ["--scopes sql"]
