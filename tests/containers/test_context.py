"""The files of a checkout that Docker can take into an image: those git knows, never a password or a key."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
import uuid
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMPOSE = """
services:
  probe:
    image: {image}
    build: {{context: ., dockerfile_inline: "FROM scratch\\nCOPY . /\\n"}}
"""
SECRETS = (
    "password", "ca.pem", ".env", "data/password", "data/ca.pem", "docker/server.key", "jobs/key.json",
    "notebooks/token", "sources/ca.pem", "tests/id_rsa", ".pubsublite/credentials.json", ".dataproc/token",
    "docker/pubsublite/.pubsublite/server.key", ".ci/password", ".github/token", "requirements.txt",
)  # fmt: skip
LEFT_BY_RUNS = (".venv/lib/c.py", ".jars/d.py", "jobs/__pycache__/e.pyc", "notebooks/.ipynb_checkpoints/f.py")
MADE_BY_DOCKER = ("dev/", "etc/", "proc/", "sys/", ".dockerenv")


@pytest.mark.needs("docker")
def test_what_git_knows_may_get_into_an_image_and_nothing_else(tmp_path: Path) -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    known = {name for name in listed.splitlines() if (ROOT / name).is_file()}
    for name in (*known, *SECRETS, *LEFT_BY_RUNS):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    shutil.copy(ROOT / ".dockerignore", tmp_path)
    assert copied(tmp_path) == known


def copied(folder: Path) -> set[str]:
    """Return the files that `COPY . /` takes with the builder that compose uses."""
    image = f"twinstream-context-{uuid.uuid4().hex}"
    (folder / "probe.yml").write_text(COMPOSE.format(image=image))
    docker("compose", "--project-directory", str(folder), "--file", str(folder / "probe.yml"), "build", "-q")
    try:
        container = docker("create", image, "nothing").decode().strip()
        try:
            exported = io.BytesIO(docker("export", container))
        finally:
            docker("rm", container)
    finally:
        docker("rmi", image)
    with tarfile.open(fileobj=exported) as archive:
        names = (member.name for member in archive.getmembers() if not member.isdir())
        return {name for name in names if not name.startswith(MADE_BY_DOCKER)}


def docker(*command: str) -> bytes:
    done = subprocess.run(["docker", *command], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout
