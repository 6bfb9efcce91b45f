"""Which events count in a stream, and which windows come out: Spark 3.5's rules, in plain Python.

Found in Spark's sources and observed with Spark 3.5.3 (`test_watermarks.py` and `test_streaming.py` check
them):

* The watermark of a batch comes from the batches before it: for every stream the greatest event time so far,
  truncated to milliseconds, minus the delay; of two streams the smaller one; from 1970 on, never backwards.
  (`WatermarkTracker`; a stream without events yet holds it at 1970.)
* A row is late if its event time is at or before the watermark of the *previous* batch
  (`PropagateWatermarkSimulator.getInputWatermarkForLateEvents`: "We use watermark for previous microbatch to
  determine late events"). So an event has one batch more than the watermark says. If a trigger finds no new
  data, Spark runs a batch without data if the watermark has moved: that, too, is a previous batch.
* An `event_id` is known until the watermark of a batch reaches its first event's time plus the delay again
  (`StreamingDeduplicateWithinWatermarkExec.evictDupInfoFromState`: `watermark >= expiresAt`).
* A window comes out in the batch whose watermark is at or past its end
  (`WatermarkSupport.watermarkExpression`: `end <= watermark`), in available-now at the latest in the batch
  without data at the end.
* After a join the watermark is earlier: a view may be needed for `within` after its time, a millisecond is
  subtracted because both ends count (`StreamingJoinHelper.getStateValueWatermark`: `<=` solves to `- 1`), and
  the smaller of both sides holds (`StreamingSymmetricHashJoinExec.produceOutputWatermark`).
* The join keeps no row that its batch's watermark has already passed (`storeAndJoinWithOtherSide`,
  `shouldAddToState`), for purchases minus `within`. Purchases are processed before the same batch's views, so
  a purchase further behind (but not late, by the rule above) finds only the views of earlier batches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.support.reference import EPOCH, Event, Message, Row, Wrong, followed, read

MILLISECOND = timedelta(milliseconds=1)


@dataclass
class Counted:
    """What a stream made of its messages; `events` also holds each event's batch number."""

    events: list[tuple[int, Event]] = field(default_factory=list)
    dead: dict[int, Wrong] = field(default_factory=dict)
    late: int = 0


@dataclass
class _Stream:
    orders: bool
    batches: Sequence[Sequence[Message]]
    counted: Counted = field(default_factory=Counted)
    latest: datetime | None = None
    known: dict[str, datetime] = field(default_factory=dict)

    def take(self, number: int, late: datetime, delay: timedelta, skew: timedelta, now: datetime) -> None:
        for message in self.batches[number]:
            event = read(message, orders=self.orders, skew=skew, now=now)
            if isinstance(event, Wrong):
                self.counted.dead[message.offset] = event
                continue
            self.latest = max(self.latest or event.event_time, event.event_time)
            if event.event_time <= late:
                self.counted.late += 1
            elif event.event_id not in self.known:
                self.known[event.event_id] = event.event_time + delay
                self.counted.events.append((number, event))

    def forget(self, watermark: datetime) -> None:
        self.known = {name: end for name, end in self.known.items() if end > watermark}

    def watermark(self, delay: timedelta) -> datetime:
        return EPOCH if self.latest is None else _milliseconds(self.latest) - delay


@dataclass(frozen=True)
class Streamed:
    """One run: what counted by stream, and the watermark of every batch and, last, after all of them."""

    counted: dict[str, Counted]
    watermarks: list[datetime]

    def events(self, stream: str) -> list[Event]:
        """Return the events of a stream that count."""
        return [event for _, event in self.counted[stream].events]

    def final(self, rows: list[Row], held_back: timedelta = timedelta(0)) -> list[Row]:
        """Return the rows whose window has come out."""
        return [row for row in rows if row[1] <= self.watermarks[-1] - held_back]

    def purchases(self, views: str, purchases: str, within: timedelta) -> list[Event]:
        """Return the purchases for which the join finds a view."""
        seen = self.counted[views].events
        return [
            purchase
            for batch, purchase in self.counted[purchases].events
            if any(self._meet(batch, purchase, at, view, within) for at, view in seen)
        ]

    def _meet(self, batch: int, purchase: Event, at: int, view: Event, within: timedelta) -> bool:
        kept = purchase.event_time > self.watermarks[batch] - within - MILLISECOND
        return followed(purchase, view, within) and (at < batch or kept)


def held_back(within: timedelta) -> timedelta:
    """Return how far windows after the join lag behind the watermark."""
    return within + MILLISECOND


def stream(
    batches: Mapping[str, Sequence[Sequence[Message]]],
    orders: Mapping[str, bool],
    *,
    delay: timedelta,
    skew: timedelta,
    now: datetime,
) -> Streamed:
    """Run over the micro-batches; all streams have equally many, and an empty one is a batch without data."""
    streams = {name: _Stream(orders[name], of_stream) for name, of_stream in batches.items()}
    watermarks = [EPOCH]
    for number in range(max(map(len, batches.values()))):
        previous, current = watermarks[-2:] if number else (EPOCH, EPOCH)
        for one in streams.values():
            one.take(number, previous, delay, skew, now)
            one.forget(current)
        watermarks.append(max(current, min(one.watermark(delay) for one in streams.values())))
    return Streamed({name: one.counted for name, one in streams.items()}, watermarks)


def _milliseconds(time: datetime) -> datetime:
    return time.replace(microsecond=time.microsecond // 1000 * 1000)
