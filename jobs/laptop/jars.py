"""`twinstream jars`: fetch the jar sets that Spark does not ship, by Ivy, and check each file."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from jobs.engine.jar_files import LOCK_FILE, directory, files, jars, known
from jobs.engine.java import java_home
from jobs.laptop import truststore
from sources.fault import Fault
from sources.flags import argument, flag, options, switch

IVY_FILE = LOCK_FILE.with_name("ivy.xml")
FOR_JOBS = ("kafka", "managed-kafka", "delta", "bigquery", "gs", "local", "pubsublite")
_STAGING = ".fetching-"


class WrongJars(Fault):
    """The fetched files do not match jars.sha256."""


class FetchFailed(Fault):
    """Ivy could not fetch a set; the message ends with the last lines of Ivy's log."""


def _say_nothing(_: str) -> None:
    pass


def fetch(
    names: Iterable[str],
    where: str | Path | None = None,
    report: Callable[[str], None] = _say_nothing,
) -> None:
    """Fetch the missing sets and report one line for each set.

    Safe to kill and to run twice at once. Each file's SHA-256 is checked before its set appears. Raise
    WrongJars, FetchFailed or NoJava, and ValueError if there is no such set.
    """
    target = directory(where)
    for name in names:
        started = time.monotonic()
        with _alone_in(target) as held:
            fetched = not _is_there(name, target)
            if fetched:
                _bring(name, target, held, verify=True)
        report(_line(name, target, f"fetched in {time.monotonic() - started:.1f} s" if fetched else "there"))


def lock(where: str | Path | None = None, report: Callable[[str], None] = _say_nothing) -> None:
    """Fetch every set again and record the files in jars.sha256, after a deliberate change of ivy.xml."""
    target = directory(where)
    recorded = []
    for name in re.findall(r'<conf name="([^"]+)"', IVY_FILE.read_text()):
        with _alone_in(target) as held:
            _bring(name, target, held, verify=False)
        recorded += [f"{_sha256(file)}  {name}/{file.name}" for file in sorted((target / name).iterdir())]
        report(f"{name}: {len(list((target / name).iterdir()))} jars recorded")
    LOCK_FILE.write_text("\n".join(recorded) + "\n")


@dataclass(frozen=True)
class JarsOptions:
    """What to fetch, and where to."""

    sets: tuple[str, ...] = argument(
        f"sets to fetch (default: {' '.join(FOR_JOBS)})", many=True, required=False
    )
    all: bool = switch("fetch every set, including those that only tests use")
    directory: str | None = flag("directory of the sets (default: .jars)", variable="TWINSTREAM_JARS")
    lock: bool = switch("after a change of ivy.xml: fetch every set and rewrite jars.sha256")


def command(argv: Sequence[str]) -> int:
    """Run `twinstream jars [SET ...]`.

    Return 0 if every requested set is present, otherwise 1 after one error message.
    """
    given = options(JarsOptions, argv, prog="twinstream jars", description=(__doc__ or "").splitlines()[0])
    try:
        if given.lock:
            lock(given.directory, print)
        else:
            fetch(known() if given.all else given.sets or FOR_JOBS, given.directory, print)
    except (Fault, ValueError, OSError) as error:
        print(f"twinstream jars: {error}", file=sys.stderr)
        return 1
    return 0


def _is_there(name: str, target: Path) -> bool:
    return all((target / name / file).is_file() for file in files(name))


def _line(name: str, target: Path, state: str) -> str:
    found = jars(name, target)
    megabytes = sum(file.stat().st_size for file in found) / 1e6
    return f"{name}: {len(found)} jar{'s' * (len(found) > 1)}, {megabytes:.1f} MB, {state}"


@contextmanager
def _alone_in(target: Path) -> Iterator[int]:
    """Lock the directory against other fetches and remove what a killed one left behind.

    Yield the lock's descriptor for Ivy to inherit: if only its parent is killed, Ivy keeps writing, and the
    next fetch must wait for it.
    """
    target.mkdir(parents=True, exist_ok=True)
    with (target / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        for leftover in target.glob(f"{_STAGING}*"):
            shutil.rmtree(leftover)
        yield handle.fileno()


def _bring(name: str, target: Path, held: int, *, verify: bool) -> None:
    with tempfile.TemporaryDirectory(dir=target, prefix=_STAGING) as staging:
        _run_ivy(name, target, Path(staging), held)
        fresh = Path(staging, name)
        if verify:
            _verify(name, fresh, target)
        if (target / name).exists():
            (target / name).rename(Path(staging, "old"))
        fresh.rename(target / name)


def _run_ivy(name: str, target: Path, staging: Path, held: int) -> None:
    home = target / ".ivy"
    log = staging / "ivy.log"
    command = [str(java_home() / "bin" / "java"), *_trust(staging), f"-Divy.default.ivy.user.dir={home}"]
    command += ["-jar", str(_ivy_jar()), "-ivy", str(IVY_FILE), "-cache", str(home / "cache"), "-confs", name]
    command += ["-retrieve", f"{staging}/[conf]/[artifact]-[revision](-[classifier]).[ext]"]
    with log.open("w") as output:
        done = subprocess.run(
            command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, check=False, pass_fds=[held]
        )
    if done.returncode != 0 or not (staging / name).is_dir():
        said = "\n".join(line for line in log.read_text().splitlines()[-25:] if line.strip())
        raise FetchFailed(
            f"Ivy could not fetch the set {name!r} (exit code {done.returncode})",
            expected="Maven Central to answer",
            remedy=(
                f"check the network or the proxy, then the same command again. Ivy's last lines:\n{said}"
            ),
        )


def _trust(staging: Path) -> list[str]:
    """Return options that make Java trust whom this Python trusts; none if Python trusts nobody itself."""
    certificates = truststore.authorities()
    if not certificates:
        return []
    truststore.write(staging / "truststore.jks", certificates)
    return [
        f"-Djavax.net.ssl.trustStore={staging / 'truststore.jks'}",
        "-Djavax.net.ssl.trustStoreType=JKS",
        f"-Djavax.net.ssl.trustStorePassword={truststore.PASSWORD}",
    ]


def _ivy_jar() -> Path:
    import pyspark

    spark_jars = Path(os.environ.get("SPARK_HOME") or Path(pyspark.__file__).parent, "jars")
    for jar in spark_jars.glob("ivy-*.jar"):
        return jar
    raise FetchFailed(
        f"no ivy-*.jar in {spark_jars}",
        expected="a whole Spark 3.5",
        remedy="unset SPARK_HOME, or pip install --force-reinstall pyspark==3.5.3",
    )


def _verify(name: str, fresh: Path, target: Path) -> None:
    expected = files(name)
    came = {file.name: _sha256(file) for file in fresh.iterdir()}
    for file in sorted(expected.keys() | came.keys()):
        if came.get(file) != expected.get(file):
            # Otherwise the next fetch would find the same file in the cache again.
            shutil.rmtree(target / ".ivy", ignore_errors=True)
            raise WrongJars(
                f"{name}/{file} has SHA-256 {came.get(file, '(it did not come)')}",
                expected=f"{expected.get(file, '(no such file)')} by docker/spark/jars.sha256",
                remedy=(
                    "the same command again, or `twinstream jars --lock` if ivy.xml was changed on purpose"
                ),
            )


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
