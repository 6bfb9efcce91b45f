"""A notebook run as Jupyter runs it: in its own kernel, from the folder it lies in."""

# mypy: allow-untyped-calls
from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


@dataclass(frozen=True)
class Executed:
    """A notebook after its run: `cells` as far as it got, with their outputs."""

    cells: list[Any]

    def outputs(self, start: str) -> list[Any]:
        """Return the outputs of the one code cell with a line that starts with `start`."""
        found = [one for one in self._code() if f"\n{start}" in f"\n{one.source}"]
        assert len(found) == 1, f"{len(found)} cells with {start!r}"
        return list(found[0].outputs)

    def text(self, start: str) -> str:
        """Return all text that the cell shows, including tables."""
        return "".join(
            one.text if one.output_type == "stream" else one.get("data", {}).get("text/plain", "") + "\n"
            for one in self.outputs(start)
        )

    def lines(self, start: str) -> list[list[str]]:
        """Return the cell's text as words, line by line."""
        return [line.split() for line in self.text(start).splitlines() if line.strip()]

    @property
    def pictures(self) -> list[str]:
        """Return the first line of the cell for each picture shown."""
        return [
            one.source.splitlines()[0]
            for one in self._code()
            for output in one.outputs
            if "image/png" in output.get("data", {})
        ]

    @property
    def errors(self) -> list[list[str]]:
        """Return the lines of each error that a cell shows."""
        return [
            output.traceback
            for one in self._code()
            for output in one.outputs
            if output.output_type == "error"
        ]

    @property
    def noise(self) -> list[str]:
        """Return what cells write to standard error."""
        return [
            output.text
            for one in self._code()
            for output in one.outputs
            if output.output_type == "stream" and output.name == "stderr"
        ]

    def _code(self) -> list[Any]:
        return [one for one in self.cells if one.cell_type == "code"]


def execute(name: str, environment: Mapping[str, str], *more: str) -> Executed:
    """Run a notebook from top to bottom or to its first error, then the cells `more`."""
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    notebook.cells += [nbformat.v4.new_code_cell(source) for source in more]
    client = NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(NOTEBOOKS)}}
    )
    with suppress(CellExecutionError):  # the error is in the cell's outputs
        # Streamlit, which other tests import, sets MPLBACKEND to one that shows nothing.
        inherited = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
        client.execute(env={**inherited, **environment})
    return Executed(notebook.cells)
