"""A local Dataproc for the unmodified gcloud: real drivers on a real standalone Spark cluster.

``python -m dataproc_emulator serve`` runs it; :class:`DataprocEmulator` runs it inside a program.
"""

from dataproc_emulator.emulator import DataprocEmulator

__all__ = ["DataprocEmulator"]
