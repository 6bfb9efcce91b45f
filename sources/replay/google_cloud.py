"""Replay on Google Cloud, where no cluster can read this machine's files."""

from __future__ import annotations

from collections.abc import Iterator

from sources.google_cloud import Cloud, Finding, OnGoogleCloud, refused
from sources.replay.options import ReplayOptions


class FilesOfThisMachine(OnGoogleCloud):
    """Replay files, which no cluster can read."""

    def findings(self, options: ReplayOptions, cloud: Cloud) -> Iterator[Finding]:
        """Refuse them, except in a rehearsal on this machine."""
        if not cloud.rehearsal:
            yield refused(
                f"--source replay --replay-dir {options.replay_dir}",
                "files of this machine, which a cluster cannot read; expected a broker",
                "--source pubsublite or --source kafka, and twinstream publish to put events there",
            )
