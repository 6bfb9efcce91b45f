"""The package: the same bytes from the same input, and a zip that is all a driver needs."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pyspark
import pytest
from pyspark.sql import SparkSession

from jobs.engine import jar_files
from jobs.engine.java import java_home
from jobs.engine.session import BARE_FILE_SYSTEM
from jobs.laptop.promotion import package
from jobs.laptop.promotion.package import PackageError, build, load
from sources.base import Record
from sources.catalog import PRODUCT
from sources.replay import files as replay_files
from tests.jobs.laptop.promotion.orders import DISCOUNTS, ORDERS, ROW, told


def test_the_same_input_gives_the_same_bytes_and_the_same_name(tmp_path: Path) -> None:
    first, second = build(["kafka"], tmp_path / "1"), build(["kafka"], tmp_path / "2")
    assert first.folder.name == second.folder.name == f"twinstream-{first.version}"
    contents = [
        {file.relative_to(one.folder): file.read_bytes() for file in one.folder.rglob("*") if file.is_file()}
        for one in (first, second)
    ]
    assert contents[0] == contents[1]
    assert {path.as_posix() for path in contents[0]} == {
        "jobs.zip",
        "manifest.json",
        "popular_products_recommendation.py",
        "product_activity_windows.py",
        "streaming_product_discounts.py",
        "jars/commons-pool2-2.11.1.jar",
        "jars/kafka-clients-3.4.1.jar",
        "jars/spark-sql-kafka-0-10_2.12-3.5.3.jar",
        "jars/spark-token-provider-kafka-0-10_2.12-3.5.3.jar",
    }


def test_neither_clock_nor_permissions_of_a_checkout_change_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [build([], tmp_path / "here").folder.name]
    copy = tmp_path / "checkout"
    for folder in ("jobs", "sources"):
        shutil.copytree(jar_files.CHECKOUT / folder, copy / folder, copy_function=shutil.copyfile)
    shutil.copyfile(jar_files.CHECKOUT / "pyproject.toml", copy / "pyproject.toml")
    module = copy / "sources" / "catalog.py"
    os.utime(module, (1, 1))
    module.chmod(0o600)
    (copy / "jobs" / "__pycache__").mkdir(exist_ok=True)
    (copy / "jobs" / "__pycache__" / "left.cpython-311.pyc").write_bytes(b"of another machine")
    for shop in ("jobs/laptop/promotion/plan.py", "sources/laptop/shop.py"):
        (copy / shop).write_text("# what a laptop alone runs")
    monkeypatch.setattr(package, "CHECKOUT", copy)
    names.append(build([], tmp_path / "there").folder.name)
    assert names[0] == names[1]
    module.write_text(module.read_text() + "\n")
    assert build([], tmp_path / "there").folder.name != names[0]


def test_the_zip_holds_every_module_but_those_of_the_laptop(tmp_path: Path) -> None:
    with zipfile.ZipFile(build([], tmp_path).archive) as archive:
        names = archive.namelist()
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert names == sorted(names)
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "jobs/*.py", "sources/*.py"],
        cwd=jar_files.CHECKOUT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert set(names) == {name for name in listed if name.split("/")[1] != "laptop"}
    assert {"jobs/engine/run.py", "jobs/sinks/delta.py", "sources/kafka/publishing.py"} <= set(names)


def test_every_module_of_the_zip_needs_the_standard_library_and_pyspark_only(tmp_path: Path) -> None:
    archive = build([], tmp_path / "dist").archive
    bare = tmp_path / "packages"
    bare.mkdir()
    for name in ("pyspark", "py4j"):
        (bare / name).symlink_to(Path(str(importlib.util.find_spec(name).origin)).parent)  # type: ignore[union-attr]
    with zipfile.ZipFile(archive) as content:
        modules = [name.removesuffix(".py").removesuffix("/__init__") for name in content.namelist()]
    program = (
        "import importlib, sys\nsys.path[:0] = sys.argv[1:3]\n"
        "for name in sys.argv[3:]:\n    importlib.import_module(name.replace('/', '.'))\n"
    )
    # -I and -S: neither the environment nor the installed packages.
    command = [sys.executable, "-I", "-S", "-c", program, str(archive), str(bare), *modules]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_the_manifest_says_versions_and_hashes(tmp_path: Path) -> None:
    manifest = json.loads((build(["delta"], tmp_path).folder / "manifest.json").read_text())
    assert manifest["versions"] == {"twinstream": "0.1.0", "spark": "3.5.3"}
    assert list(manifest["jars"].items()) == [
        (
            "delta/delta-spark_2.12-3.2.1.jar",
            "088e187da689a347a6a8556dcb22318e3dfcfb995d807f5e2c19b4d0a7ee9499",
        ),
        ("delta/delta-storage-3.2.1.jar", "4dcc179fc4076bda5060a4038f979c53e1f5916cf04971e28f9441db390763c7"),
    ]
    assert "folder" not in manifest


def test_a_package_that_was_changed_is_refused_and_made_anew(tmp_path: Path) -> None:
    made = build([], tmp_path)
    assert load(made.folder) == made
    made.archive.write_bytes(b"changed")
    with pytest.raises(
        PackageError, match=r"jobs\.zip: missing or changed; expected SHA-256 [0-9a-f]{64}; rem"
    ):
        load(made.folder)
    assert load(build([], tmp_path).folder) == made


def test_a_wheel_is_no_package() -> None:
    with pytest.raises(PackageError) as caught:
        load(Path("dist/twinstream-0.1.0-py3-none-any.whl"))
    assert "takes the jobs as a zip beside the entry file (--py-files takes no .whl)" in str(caught.value)


def test_the_command_says_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert package.command(["--source=replay", "--sink=delta", f"--output={tmp_path}"]) == 0
    (folder,) = tmp_path.glob("twinstream-*")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == str(folder)
    assert "  088e187da689  jars/delta-spark_2.12-3.2.1.jar" in lines


def test_missing_jars_end_the_command_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TWINSTREAM_JARS", str(tmp_path / "none"))
    assert package.command(["--source=pubsublite", f"--output={tmp_path / 'dist'}"]) == 1
    assert "remedy: twinstream jars pubsublite" in capsys.readouterr().err
    assert list((tmp_path / "dist").iterdir()) == []


@pytest.mark.slow
def test_a_job_runs_from_the_zip_with_its_entry_file_staged_alone(
    spark: SparkSession, tmp_path: Path
) -> None:
    made = build([], tmp_path / "dist")
    (tmp_path / "staged").mkdir()
    entry = str(shutil.copy(made.entry("streaming_product_discounts"), tmp_path / "staged"))
    archive = str(shutil.copy(made.archive, tmp_path / "jobs.zip"))
    write_input(tmp_path)
    job_flags = [
        "--source=replay", f"--replay-dir={tmp_path / 'replay'}", f"--discounts={tmp_path / 'discounts.csv'}",
        "--sink=parquet", f"--sink-path={tmp_path / 'rows'}", f"--checkpoint-root={tmp_path / 'checkpoints'}",
    ]  # fmt: skip
    ran = spark_submit(tmp_path, "--py-files", archive, entry, *job_flags)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert told(spark.read.parquet(str(tmp_path / "rows"))) == [ROW]


def write_input(folder: Path) -> None:
    published = datetime(2026, 1, 1, 12, 5, tzinfo=UTC)
    records = [
        Record(PRODUCT.name, key, value, None, {}, 0, offset, published)
        for offset, (key, value) in enumerate(ORDERS)
    ]
    replay_files.write(folder / "replay" / PRODUCT.name / "0001.jsonl", records)
    (folder / "discounts.csv").write_text(DISCOUNTS)


def spark_submit(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run spark-submit in a folder and an environment that know nothing of the checkout."""
    environment = {
        "PATH": "/usr/bin:/bin",
        "JAVA_HOME": str(java_home()),
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    # The file system is only for speed; Dataproc's is HDFS and gs://.
    (bare,) = jar_files.jars("local")
    settings = (
        "spark.ui.enabled=false", "spark.sql.shuffle.partitions=1", "spark.driver.host=127.0.0.1",
        f"spark.hadoop.fs.file.impl={BARE_FILE_SYSTEM}",
    )  # fmt: skip
    flags = [word for setting in settings for word in ("--conf", setting)]
    program = Path(pyspark.__file__).parent / "bin" / "spark-submit"
    command = [str(program), "--master", "local[2]", "--driver-class-path", str(bare), *flags, *words]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=200, check=False
    )
