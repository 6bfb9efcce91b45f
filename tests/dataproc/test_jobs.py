"""Jobs: where a driver runs, what it finds there, and how it ends."""

from __future__ import annotations

import os
import signal
import zipfile
from pathlib import Path

import pytest

from dataproc_emulator import DataprocEmulator
from jobs.engine.class_archive import VARIABLE
from tests.dataproc.gcloud import REGION, Gcloud, eventually, states

pytestmark = [pytest.mark.needs("gcloud"), pytest.mark.timeout(600)]

ENTRY = """
import os, sys
from urllib.request import Request, urlopen
from pyspark.sql import SparkSession
from shipped import greeting  # in the zip

spark = SparkSession.builder.getOrCreate()
print("master", spark.sparkContext.master.partition(":")[0])
print("two and one", sys.argv[1::2])
print("beside me", sorted(os.listdir(sys.path[0])))
print("file", open("table.csv").read(), "and on executors", spark.sparkContext.parallelize([1], 1).map(
    lambda _: open("table.csv").read()).first())
print("greeting on executors", spark.sparkContext.parallelize([1], 1).map(lambda _: greeting()).first())
print("archive on executors", spark.sparkContext.parallelize([1], 1).map(
    lambda _: open("data.zip/inside.txt").read()).first())
print("property", spark.conf.get("spark.rehearsed"), spark.conf.get("spark.cores.max"))
print("variables", [name for name in os.environ if name.startswith("TWINSTREAM")])
spark.range(5).write.parquet(sys.argv[1] + "/rows")
print("rows", spark.read.parquet(sys.argv[1] + "/rows").count())
urlopen(Request(sys.argv[2], b'{"name": "made-meanwhile"}', {"Authorization": sys.argv[4]})).close()
spark.range(3).write.parquet("gs://made-meanwhile/rows")
print("rows meanwhile", spark.read.parquet("gs://made-meanwhile/rows").count())
"""

SLEEPER = """
import sys, time
print("sleeping", flush=True)
time.sleep(300)
"""

SETTINGS = """
import time
from pyspark.sql import SparkSession
print("cluster's own:", SparkSession.builder.getOrCreate().conf.get("spark.of.cluster"), flush=True)
time.sleep(300)
"""

BROKEN = """
import pathlib
attempts = pathlib.Path("attempts")
attempts.write_text(attempts.read_text() + "x" if attempts.exists() else "x")
for number in range(40_000):
    print("line", number, "of more than fits into one object of the driver's output")
raise ValueError("no column named " + repr("prcie") + " in attempt " + str(len(attempts.read_text())))
"""

HEALED = """
import pathlib, sys
attempts = pathlib.Path("attempts")
attempts.write_text(attempts.read_text() + "x" if attempts.exists() else "x")
print("attempt", len(attempts.read_text()))
sys.exit(3 if len(attempts.read_text()) < 3 else 0)
"""

MAPPED = """
import os, sys
from pyspark.sql import SparkSession

archive = sys.argv[1]
spark = SparkSession.builder.getOrCreate()

def of_executor(_):
    daemon = open(f"/proc/{os.getppid()}/stat").read()  # the parent of this worker and child of the JVM
    return archive in open(f"/proc/{int(daemon.rpartition(')')[2].split()[1])}/maps").read()

driver = spark._jvm.java.lang.ProcessHandle.current().pid()
print("driver", archive in open(f"/proc/{driver}/maps").read())
print("executor", spark.sparkContext.parallelize([1], 1).map(of_executor).first())
"""


@pytest.fixture
def entry(tmp_path: Path) -> Path:
    return tmp_path / "entry.py"


def test_a_job_runs_on_the_cluster_with_all_that_it_ships(
    gcloud: Gcloud, dataproc: DataprocEmulator, bucket: str, entry: Path
) -> None:
    entry.write_text(ENTRY)
    folder = entry.parent
    (folder / "table.csv").write_text("a,b")
    with zipfile.ZipFile(folder / "code.zip", "w") as archive:
        archive.writestr("shipped/__init__.py", "def greeting():\n    return 'hello from the zip'\n")
    with zipfile.ZipFile(folder / "data.zip", "w") as archive:
        archive.writestr("inside.txt", "unpacked")
    gcloud.run("storage", "cp", str(folder / "code.zip"), f"{bucket}/code/")
    done = gcloud.submit(
        str(entry),
        f"--py-files={bucket}/code/code.zip",
        f"--files={folder / 'table.csv'}",
        "--properties=^#^spark.rehearsed=a,b#spark.cores.max=1",
        f"--archives={folder / 'data.zip'}",
        "--driver-log-levels=root=ERROR,org.apache.spark.SparkContext=INFO",
        "--labels=app=test",
        *(
            "--",
            f"{bucket}/out",
            f"http://{dataproc.address}/storage/v1/b",
            "--flag=with space",
            bearer(dataproc),
        ),
    )
    said = done.stderr.splitlines()
    assert "master spark" in said
    assert "two and one ['gs://rehearsal/out', '--flag=with space']" in said
    assert "beside me ['entry.py']" in said
    assert "file a,b and on executors a,b" in said
    assert "greeting on executors hello from the zip" in said
    assert "archive on executors unpacked" in said
    assert "property a,b 1" in said
    assert "variables []" in said
    assert {line.split()[3] for line in said if " INFO " in line} == {"SparkContext:"}
    assert "rows 5" in said
    assert "rows meanwhile 3" in said
    assert f"Job [{done.stdout.strip()}] finished successfully." in said
    assert "did not finish streaming" not in done.stderr
    job = gcloud.job(done.stdout.strip())
    assert states(job) == ["PENDING", "SETUP_DONE", "RUNNING", "DONE"]
    assert job["labels"] == {"app": "test"}
    listed = gcloud.run("storage", "ls", f"{bucket}/out/rows/").stdout.split()
    assert f"{bucket}/out/rows/_SUCCESS" in listed
    assert not [name for name in listed if name.endswith(".crc")]


def test_a_bug_ends_as_an_error_with_the_message_in_the_drivers_output(gcloud: Gcloud, entry: Path) -> None:
    entry.write_text(BROKEN)
    done = gcloud.submit(str(entry), code=1)
    lines = [int(line.split()[1]) for line in done.stderr.splitlines() if line.startswith("line ")]
    assert lines == list(range(40_000))
    assert "ValueError: no column named 'prcie' in attempt 1" in done.stderr
    assert "failed with error:\nThe driver exited with code 1; the job is not restartable." in done.stderr
    assert "Google Cloud Dataproc Agent reports job failure." in done.stderr


@pytest.mark.slow
def test_a_driver_that_fails_is_started_again(gcloud: Gcloud, entry: Path) -> None:
    entry.write_text(HEALED)
    done = gcloud.submit(str(entry), "--max-failures-per-hour=2")
    assert [line for line in done.stderr.splitlines() if line.startswith("attempt ")] == [
        "attempt 1",
        "attempt 2",
        "attempt 3",
    ]
    assert done.stderr.count("Job attempt failed. Streaming new attempt's output.") == 2
    expected = ["PENDING", "SETUP_DONE", *("RUNNING", "ATTEMPT_FAILURE") * 2, "RUNNING", "DONE"]
    assert states(gcloud.job(done.stdout.strip())) == expected


@pytest.mark.slow
def test_a_driver_that_fails_too_often_is_a_failed_job(gcloud: Gcloud, entry: Path) -> None:
    entry.write_text(BROKEN)
    identity = gcloud.submit(str(entry), "--max-failures-total=1", "--async").stdout.strip()
    waited = gcloud.run("dataproc", "jobs", "wait", identity, REGION, code=1).stderr
    assert "no column named 'prcie' in attempt 2" in waited
    assert "The driver exited with code 1; more than 1 failures in total." in waited


@pytest.mark.slow
@pytest.mark.skipif(VARIABLE not in os.environ, reason="no class archive; make .archives makes it")
def test_a_driver_and_its_executor_start_from_the_class_archive(
    gcloud: Gcloud, dataproc: DataprocEmulator, entry: Path
) -> None:
    entry.write_text(MAPPED)
    done = gcloud.submit(str(entry), "--", os.environ[VARIABLE])
    assert {"driver True", "executor True"} <= set(output(dataproc, done.stdout.strip()).splitlines())


@pytest.mark.slow
@pytest.mark.parametrize("hangs", [False, True])
def test_a_job_that_is_killed_is_cancelled(
    gcloud: Gcloud, dataproc: DataprocEmulator, entry: Path, hangs: bool
) -> None:
    entry.write_text(SLEEPER)
    identity = gcloud.submit(str(entry), "--max-failures-per-hour=5", "--async").stdout.strip()
    eventually(lambda: "sleeping" in output(dataproc, identity))
    active = gcloud("dataproc", "jobs", "list", REGION, "--state-filter=active", "--cluster=spark-streaming")
    assert [job["reference"]["jobId"] for job in active] == [identity]
    if hangs:
        os.kill(driver(dataproc, identity), signal.SIGSTOP)
    gcloud.run("dataproc", "jobs", "kill", identity, REGION)
    job = gcloud.job(identity)
    assert states(job) == ["PENDING", "SETUP_DONE", "RUNNING", "CANCEL_PENDING", "CANCELLED"]
    assert not Path("/proc", str(driver(dataproc, identity))).exists()
    assert gcloud("dataproc", "jobs", "list", REGION, "--state-filter=active") == []
    gcloud.run("dataproc", "jobs", "update", identity, REGION, "--update-labels=why=test")
    assert gcloud.job(identity)["labels"] == {"why": "test"}
    gcloud.run("dataproc", "jobs", "delete", identity, REGION)
    assert "NOT_FOUND" in gcloud.run("dataproc", "jobs", "describe", identity, REGION, code=1).stderr


@pytest.mark.slow
def test_a_cluster_gives_its_settings_and_takes_its_jobs_along(
    gcloud: Gcloud, dataproc: DataprocEmulator, entry: Path
) -> None:
    entry.write_text(SETTINGS)
    flags = ("--image-version=2.3-debian12", "--properties=spark:spark.of.cluster=set")
    gcloud.run("dataproc", "clusters", "create", "short", REGION, *flags)
    words = ("dataproc", "jobs", "submit", "pyspark", str(entry), "--cluster=short", REGION, "--async")
    identity = gcloud(*words)["reference"]["jobId"]
    eventually(lambda: "cluster's own: set\n" in output(dataproc, identity))
    busy = gcloud.run("dataproc", "jobs", "delete", identity, REGION, code=1).stderr
    assert f"FAILED_PRECONDITION: Job {identity} is active and cannot be deleted." in busy
    gcloud.run("dataproc", "clusters", "delete", "short", REGION)
    status = gcloud.job(identity)["status"]
    assert (status["state"], status["details"]) == ("ERROR", "The cluster was deleted.")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gs://rehearsal/nothing.py"], "The job could not be set up: No such object: rehearsal/nothing.py"),
        (["hdfs:///code.py"], "hdfs:///code.py: only gs:// and file:// can be reached here"),
    ],
)
def test_a_job_without_its_files_is_an_error(
    gcloud: Gcloud, bucket: str, words: list[str], said: str
) -> None:
    assert said in gcloud.submit(*words, code=1).stderr


def test_what_is_not_there_is_not_found(gcloud: Gcloud, entry: Path) -> None:
    entry.write_text(SLEEPER)
    place = ("dataproc", "jobs", "submit", "pyspark", str(entry), REGION)
    missing = gcloud.run(*place, "--cluster=nobodys", code=1).stderr
    assert "NOT_FOUND: Not found: Cluster" in missing
    missing = gcloud.run("dataproc", "jobs", "describe", "nobodys", REGION, code=1).stderr
    assert "NOT_FOUND: Not found: Job projects/local-project/regions/us-central1/jobs/nobodys" in missing


def output(dataproc: DataprocEmulator, identity: str) -> str:
    objects = dataproc.files.buckets.glob(
        f"*/google-cloud-dataproc-metainfo/*/jobs/{identity}/driveroutput.*"
    )
    return "".join(file.read_text() for file in sorted(objects))


def bearer(dataproc: DataprocEmulator) -> str:
    return f"Bearer {dataproc.files.token.read_text()}"


def driver(dataproc: DataprocEmulator, identity: str) -> int:
    return int((dataproc.files.jobs / identity / "driver.pid").read_text())
