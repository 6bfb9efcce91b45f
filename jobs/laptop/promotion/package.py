"""What is shipped to a cluster: a folder named by what is in it, so that an older one can be submitted again.

`twinstream-VERSION/` holds `jobs.zip` (for `--py-files`), every job's entry file (staged alone), `jars/` and
`manifest.json`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pyspark

from jobs.engine import sink as sinks
from jobs.engine.command_line import jar_sets
from jobs.engine.jar_files import CHECKOUT, MissingJars, jars
from sources import base as sources
from sources.choice import parse
from sources.fault import Fault
from sources.flags import Parser, flag, flags

ZIP, MANIFEST, JARS, PREFIX = "jobs.zip", "manifest.json", "jars", "twinstream-"
OUTPUT = "dist"
SHIPPED = ("jobs", "sources")
NOT_SHIPPED = "laptop"
"""The folder of each of them that stays here: a change in it makes no other package."""
_MIDNIGHT_1980 = (1980, 1, 1, 0, 0, 0)
_PLAIN_FILE, _UNIX = 0o100644 << 16, 3


class PackageError(Fault):
    """The reason a folder cannot be submitted; `path` is the faulty folder or file."""

    def __init__(self, path: Path, reason: str, expected: str) -> None:
        super().__init__(f"{path}: {reason}", expected=expected, remedy="twinstream package")
        self.path, self.reason = path, reason


@dataclass(frozen=True)
class Package:
    """A package on disk. `version` is the digest of everything in it.

    `files`: the SHA-256 of the zip and the entry files by name. `jars`: the SHA-256 by `set/file`.
    `versions`: those of twinstream and of the Spark that it was tested with.
    """

    folder: Path
    version: str
    files: dict[str, str]
    jars: dict[str, str]
    versions: dict[str, str]

    def entry(self, job: str) -> Path:
        """Return the job's entry file."""
        return self.folder / f"{job}.py"

    @property
    def archive(self) -> Path:
        """Return the zip of all modules."""
        return self.folder / ZIP

    @property
    def jar_files(self) -> list[Path]:
        """Return the jars, sorted by set and name."""
        return [self.folder / JARS / Path(name).name for name in self.jars]


def build(sets: Iterable[str], output: Path) -> Package:
    """Write the package with these jar sets below `output`; the same input gives the same bytes and name.

    The package appears whole or not at all. Raise MissingJars, which names the command that fetches them.
    """
    output.mkdir(parents=True, exist_ok=True)
    shipped = {f"{name}/{jar.name}": jar for name in sets for jar in jars(name)}
    with tempfile.TemporaryDirectory(dir=output, prefix=".packing-") as staging:
        folder = Path(staging, "package")
        (folder / JARS).mkdir(parents=True)
        _write_zip(folder / ZIP)
        for file in _entries():
            shutil.copyfile(file, folder / file.name)
        for jar in shipped.values():
            _same_file(jar, folder / JARS / jar.name)
        package = _described(folder, {name: _sha256(jar) for name, jar in sorted(shipped.items())})
        (folder / MANIFEST).write_text(_manifest(package))
        target = output / f"{PREFIX}{package.version}"
        try:
            return load(target)
        except PackageError:
            shutil.rmtree(target, ignore_errors=True)
        folder.rename(target)
    return replace(package, folder=target)


def load(folder: Path) -> Package:
    """Return the package in `folder`; raise PackageError if it is not one or does not match its manifest."""
    if folder.suffix in (".whl", ".zip", ".egg", ".gz"):
        raise PackageError(
            folder,
            "not a folder",
            expected=(
                "one that `twinstream package` made, because Dataproc takes the jobs "
                "as a zip beside the entry file (--py-files takes no .whl)"
            ),
        )
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        package = Package(folder, **manifest)
    except (OSError, ValueError, TypeError) as error:
        raise PackageError(
            folder,
            f"no package ({error})",
            expected=f"a folder with a {MANIFEST}",
        ) from None
    for file in (*(folder / name for name in package.files), *package.jar_files):
        expected = package.files.get(file.name) or _by_name(package.jars)[file.name]
        if not file.is_file() or _sha256(file) != expected:
            raise PackageError(
                file,
                "missing or changed",
                expected=f"SHA-256 {expected}",
            )
    return package


@dataclass(frozen=True)
class PackageOptions:
    """The options of `package`."""

    output: Path = flag("directory of all packages", default=OUTPUT, parse=Path)


def command(arguments: Sequence[str]) -> int:
    """Run `twinstream package`: write the package and print its place; return 1 if jars are missing."""
    parser = Parser(prog="twinstream package", description=(__doc__ or "").splitlines()[0])
    parser.accept(flags(PackageOptions))
    source, sink = sources.choice("replay"), sinks.choice()
    parsed = parse(parser, arguments, source, sink)
    try:
        package = build(jar_sets(source.of(parsed), sink.of(parsed)), parsed.of(PackageOptions).output)
    except MissingJars as missing:
        print(f"twinstream package: {missing}", file=sys.stderr)
        return 1
    print(package.folder)
    for name, digest in {**package.files, **_by_name(package.jars, f"{JARS}/")}.items():
        print(f"  {digest[:12]}  {name}")
    return 0


def _described(folder: Path, jar_digests: Mapping[str, str]) -> Package:
    digests = {file.name: _sha256(file) for file in sorted(folder.iterdir()) if file.is_file()}
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    content = json.dumps([digests, dict(jar_digests)]).encode()
    return Package(
        folder=folder,
        version=hashlib.sha256(content).hexdigest()[:12],
        files=digests,
        jars=dict(jar_digests),
        versions={"twinstream": project["version"], "spark": pyspark.__version__},
    )


def _manifest(package: Package) -> str:
    content = {name: value for name, value in asdict(package).items() if name != "folder"}
    return json.dumps(content, indent=1) + "\n"


def _write_zip(target: Path) -> None:
    # Not compressed: otherwise the bytes would depend on this machine's zlib.
    with zipfile.ZipFile(target, "w") as archive:
        for file in _modules():
            entry = zipfile.ZipInfo(file.relative_to(CHECKOUT).as_posix(), _MIDNIGHT_1980)
            entry.external_attr, entry.create_system = _PLAIN_FILE, _UNIX
            archive.writestr(entry, file.read_bytes())


def _modules() -> list[Path]:
    files = (file for folder in SHIPPED for file in (CHECKOUT / folder).rglob("*.py"))
    stays = [CHECKOUT / folder / NOT_SHIPPED for folder in SHIPPED]
    return sorted(file for file in files if not any(map(file.is_relative_to, stays)))


def _entries() -> Iterator[Path]:
    yield from (file for file in sorted((CHECKOUT / "jobs").glob("*.py")) if not file.name.startswith("__"))


def _same_file(original: Path, copy: Path) -> None:
    """Hard-link the jar if the disk supports it, because the largest has 56 MB; otherwise copy it."""
    try:
        os.link(original, copy)
    except OSError:
        shutil.copyfile(original, copy)


def _by_name(digests: Mapping[str, str], prefix: str = "") -> dict[str, str]:
    return {prefix + Path(name).name: digest for name, digest in digests.items()}


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
