"""What a user is told when something is wrong: one record, formatted in one place."""

from __future__ import annotations


class Fault(Exception):
    """Something that the user can put right.

    `problem`: the value and what is wrong with it. `expected`: what would be right. `remedy`: what to do or
    type. Each is a phrase without a period; one that does not apply is empty.
    """

    def __init__(self, problem: str, *, expected: str = "", remedy: str = "") -> None:
        super().__init__(problem, expected, remedy)
        self.problem, self.expected, self.remedy = problem, expected, remedy

    def __str__(self) -> str:
        """Return the fault in one line: `problem; expected …; remedy: …`."""
        expected = f"; expected {self.expected}" if self.expected else ""
        remedy = f"; remedy: {self.remedy}" if self.remedy else ""
        return f"{self.problem}{expected}{remedy}"
