"""AdminService, whose methods live with the resource they act on."""

from __future__ import annotations

from pubsublite_emulator.assignment import Assignment
from pubsublite_emulator.reservations import Reservations
from pubsublite_emulator.rpc import Service
from pubsublite_emulator.state import State
from pubsublite_emulator.subscriptions import Subscriptions
from pubsublite_emulator.topics import Topics


class Admin:
    """Topics, subscriptions and reservations."""

    def __init__(self, state: State, assignment: Assignment) -> None:
        methods = (
            Topics(state, assignment).methods
            | Subscriptions(state, assignment).methods
            | Reservations(state).methods
        )
        self.service = Service("AdminService", methods, {})
