"""Reservations: stored, listed and checked for use; they do not limit throughput (AdminService)."""

from __future__ import annotations

from pubsublite_emulator.errors import Code, LiteError, invalid
from pubsublite_emulator.pages import merge, page
from pubsublite_emulator.paths import in_project, parent, parse
from pubsublite_emulator.rpc import Unary
from pubsublite_emulator.schema import Message, message
from pubsublite_emulator.state import State

_Reservation = message("Reservation")
_Empty = message("google.protobuf.Empty")
_ListResponse = message("ListReservationsResponse")
_TopicsResponse = message("ListReservationTopicsResponse")
_UPDATABLE = ("throughput_capacity",)


class Reservations:
    """The reservation methods of AdminService."""

    def __init__(self, state: State) -> None:
        self._catalog = state.catalog
        self.methods = {
            "CreateReservation": Unary(message("CreateReservationRequest"), self.create),
            "GetReservation": Unary(message("GetReservationRequest"), self.get),
            "ListReservations": Unary(message("ListReservationsRequest"), self.list),
            "UpdateReservation": Unary(message("UpdateReservationRequest"), self.update),
            "DeleteReservation": Unary(message("DeleteReservationRequest"), self.delete),
            "ListReservationTopics": Unary(message("ListReservationTopicsRequest"), self.topics),
        }

    async def create(self, request: Message) -> Message:
        """Answer AdminService.CreateReservation."""
        path = parent(request.parent).child("reservations", request.reservation_id)
        self._catalog.free(path)
        body = _Reservation(throughput_capacity=_capacity(request.reservation))
        return (await self._catalog.put(path, body)).shown_to(path.project)

    async def get(self, request: Message) -> Message:
        """Answer AdminService.GetReservation."""
        found = self._catalog.get(request.name, "reservations")
        return found.shown_to(parse(request.name, "reservations").project)

    async def list(self, request: Message) -> Message:
        """Answer AdminService.ListReservations."""
        place = parent(request.parent)
        items, token = page(list(self._catalog.all("reservations", place.location)), request)
        shown = [item.shown_to(place.project) for item in items]
        return _ListResponse(reservations=shown, next_page_token=token)

    async def update(self, request: Message) -> Message:
        """Answer AdminService.UpdateReservation."""
        path = parse(request.reservation.name, "reservations")
        found = self._catalog.at(path)
        body = _Reservation.FromString(found.body.SerializeToString())
        merge(body, request.reservation, request.update_mask, _UPDATABLE)
        _capacity(body)
        return (await self._catalog.put(found.path, body)).shown_to(path.project)

    async def delete(self, request: Message) -> Message:
        """Answer AdminService.DeleteReservation; raise FAILED_PRECONDITION while a topic uses it."""
        found = self._catalog.get(request.name, "reservations")
        if used := self._catalog.topics_in(found):
            raise LiteError(Code.FAILED_PRECONDITION, f"{found.path} is in use by {used[0].path}")
        await self._catalog.drop(found)
        return _Empty()

    async def topics(self, request: Message) -> Message:
        """Answer AdminService.ListReservationTopics."""
        found = self._catalog.get(request.name, "reservations")
        items, token = page(self._catalog.topics_in(found), request)
        project = parse(request.name, "reservations").project
        names = [in_project(str(item.path), project) for item in items]
        return _TopicsResponse(topics=names, next_page_token=token)


def _capacity(body: Message) -> int:
    if body.throughput_capacity < 1:
        raise invalid(f"throughput_capacity is {body.throughput_capacity}: expected 1 or more units")
    return int(body.throughput_capacity)
