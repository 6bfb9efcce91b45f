"""The Dataproc images that run here, and what is on each."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Image:
    """An image: its version without the operating system, that system, and the releases of its parts.

    ``java`` is empty for an image that runs on the machine's own.
    """

    version: str
    system: str
    spark: str
    scala: str
    python: str
    java: str

    @property
    def name(self) -> str:
        """Return what ``--image-version`` takes."""
        return f"{self.version}-{self.system}"

    @property
    def parts(self) -> str:
        """Return the releases, for people to read."""
        java = f", Java {self.java}" if self.java else ""
        return f"Spark {self.spark}, Scala {self.scala}, Python {self.python}{java}"


DEFAULT = Image("2.3", "debian12", spark="3.5.3", scala="2.12", python="3.11", java="")
"""The image of the cluster that exists from the start; its Spark and Python are this Python's own."""
IMAGES = (DEFAULT, Image("3.0", "debian13", spark="4.1.2", scala="2.13", python="3.12", java="21"))


def image(asked: str) -> Image | None:
    """Return the image of a version such as 2.3, 2.3-debian12 or 2.3.12-debian12; None if there is none."""
    for one in IMAGES:
        if re.fullmatch(rf"{re.escape(one.version)}(\.\d+)?(-[a-z]+[a-z0-9-]*)?", asked):
            return one
    return None
