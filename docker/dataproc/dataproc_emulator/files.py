"""What the emulator keeps in its directory. Objects stay there; all else belongs to one run."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Files:
    """The paths in a directory."""

    directory: Path

    @property
    def buckets(self) -> Path:
        """A folder a bucket; ``gs://b/a/c.txt`` is the file ``b/a/c.txt`` in it."""
        return self.directory / "gs"

    @property
    def uploads(self) -> Path:
        """Uploads that have not ended."""
        return self.directory / "uploads"

    @property
    def jobs(self) -> Path:
        """A folder a job: its entry file alone, its zips and jars, the driver's working directory."""
        return self.directory / "jobs"

    @property
    def spark(self) -> Path:
        """Logs, settings and scratch of master and worker."""
        return self.directory / "spark"

    @property
    def gcloud(self) -> Path:
        """A configuration for gcloud with nothing in it."""
        return self.directory / "gcloud"

    @property
    def token(self) -> Path:
        """A token for gcloud, which takes one from a file."""
        return self.directory / "token"

    @property
    def ready(self) -> Path:
        """The line that a running emulator printed, JSON."""
        return self.directory / "emulator.json"


def prepare(directory: Path) -> Files:
    """Make what is missing in ``directory``, and clear away what the last run left besides its objects."""
    files = prepare_client(directory)
    for folder in (files.uploads, files.jobs, files.spark):
        shutil.rmtree(folder, ignore_errors=True)
    for folder in (files.buckets, files.uploads, files.jobs, files.spark):
        folder.mkdir(exist_ok=True)
    return files


def prepare_client(directory: Path) -> Files:
    """Make what gcloud needs, which is all there is where the emulator is in a container."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    files = Files(directory.resolve())
    files.gcloud.mkdir(exist_ok=True)
    files.token.touch(mode=0o600)
    files.token.write_text("local-emulator-token")
    return files
