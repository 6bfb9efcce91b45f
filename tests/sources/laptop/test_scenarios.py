import json
import re
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import pytest

from sources.laptop import bundle
from sources.laptop.arrivals import Batch
from sources.laptop.scenarios import SCENARIOS, batches, one_round

NOON = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DATA = Path(__file__).parents[3] / "data"
ORDER = {"event_id", "user_id", "product_id", "event_time", "quantity", "unit_price"}
VIEW = ORDER - {"quantity", "unit_price"}
SAME_TWICE = {"key", "value", "value_base64", "event_at"}
FIELDS = {"product-stream": ORDER, "browsing-stream": VIEW, "purchase-stream": ORDER}


def told(name: str, seed: int = 7) -> list[Batch]:
    return list(one_round(SCENARIOS[name], seed, NOON))


def events(name: str, seed: int = 7) -> list[list[dict[str, Any]]]:
    """Return each batch's events, with `stream`, and `time` as a timedelta since noon."""
    found = []
    for batch in told(name, seed):
        found.append([json.loads(arrival.message.value or b"") for arrival in batch])
        for event, arrival in zip(found[-1], batch, strict=True):
            event["stream"] = arrival.message.stream
            event["time"] = datetime.fromisoformat(event["event_time"]) - NOON
    return found


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_the_same_seed_and_start_give_the_same_bytes(name: str) -> None:
    assert told(name) == told(name)
    assert told(name) != told(name, seed=8)


@pytest.mark.parametrize("name", sorted(set(SCENARIOS) - {"shop"}))
def test_every_event_has_its_streams_fields_and_says_the_same_as_its_message(name: str) -> None:
    for batch in told(name):
        for arrival in batch:
            event = json.loads(arrival.message.value or b"")
            assert set(event) == FIELDS[arrival.message.stream]
            assert arrival.message.key == event["user_id"].encode()
            assert arrival.message.event_at == datetime.fromisoformat(event["event_time"])
            assert arrival.at - arrival.message.event_at >= timedelta(0)


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_rounds_follow_each_other_in_time_with_ids_of_their_own(name: str) -> None:
    first = [arrival for batch in told(name) for arrival in batch]
    span = SCENARIOS[name].span
    assert NOON <= min(a.at for a in first) < max(a.at for a in first) < NOON + span
    endless = (arrival for batch in batches(SCENARIOS[name], 7, NOON) for arrival in batch)
    assert [next(endless) for _ in first] == first
    second = [next(endless) for _ in range(20)]
    assert all(NOON + span <= arrival.at for arrival in second)
    assert not {a.message.value for a in first} & {a.message.value for a in second} - {None, b""}


def test_scenarios_of_one_seed_and_start_share_no_event() -> None:
    ids = [
        {json.loads(arrival.message.value or b"")["event_id"] for batch in told(name) for arrival in batch}
        for name in sorted(set(SCENARIOS) - {"shop"})
    ]
    assert len(set.union(*ids)) == sum(map(len, ids))


def test_tumbling_has_events_on_both_edges_of_each_window() -> None:
    *windows, last = events("tumbling")
    assert len(windows) == 5
    for minute, window in enumerate(windows):
        assert window[0]["time"] == minute * MINUTE
        assert window[-1]["time"] == (minute + 1) * MINUTE - timedelta(milliseconds=1)
    assert [event["time"] for event in last] == [7 * MINUTE]


def test_sliding_starts_an_event_every_30_seconds() -> None:
    assert [batch[0]["time"] for batch in events("sliding")[:-1]] == [n * MINUTE / 2 for n in range(8)]


def test_session_has_pauses_around_the_gap() -> None:
    times: dict[str, list[timedelta]] = {}
    for event in (event for batch in events("session")[:-1] for event in batch):
        times.setdefault(event["user_id"], []).append(event["time"])
    assert len(times) == 6
    pauses = [sorted(b - a for a, b in pairwise(t)) for t in times.values()]
    just_under = 5 * MINUTE - timedelta(milliseconds=1)
    assert pauses == [[2 * MINUTE, just_under, 5 * MINUTE, 9 * MINUTE]] * 6


def test_late_is_in_order_then_out_of_order_then_too_late() -> None:
    in_order, disordered, newest, too_late, last = events("late")
    assert [event["time"].total_seconds() for event in in_order] == [5 * n for n in range(12)]
    assert all(timedelta(seconds=45) < event["time"] <= timedelta(seconds=55) for event in disordered)
    assert disordered[-1]["event_id"] == in_order[-1]["event_id"]
    assert [event["time"] for event in newest] == [timedelta(seconds=80)]
    assert Counter(event["time"] < timedelta(seconds=70) for event in too_late) == {True: 7, False: 6}
    assert [event["time"] for event in last] == [5 * MINUTE]


def test_static_join_orders_what_has_a_discount_and_what_has_none() -> None:
    lines = (DATA / "user_product_discounts.csv").read_text().splitlines()[1:]
    discounted = {tuple(line.split(",")[:2]) for line in lines}
    orders = [event for batch in events("static-join") for event in batch]
    found = Counter((event["user_id"], event["product_id"]) in discounted for event in orders)
    assert min(found.values()) >= 10


def test_browse_and_buy_has_every_kind_of_purchase() -> None:
    happened = [
        event for seed in range(5) for batch in events("browse-and-buy", seed)[:-1] for event in batch
    ]
    kinds: Counter[str] = Counter()
    for purchase in (event for event in happened if event["stream"] == "purchase-stream"):
        waits = [
            purchase["time"] - view["time"]
            for view in happened
            if view["stream"] == "browsing-stream"
            and (view["user_id"], view["product_id"]) == (purchase["user_id"], purchase["product_id"])
            and view["event_id"].rpartition("-")[0] == purchase["event_id"].rpartition("-")[0]
        ]
        within = [wait for wait in waits if timedelta(0) <= wait <= 30 * MINUTE]
        kinds["without a view" if not waits else f"{min(len(within), 2)} in time"] += 1
        kinds["at 30 minutes"] += 30 * MINUTE in waits
    assert all(
        kinds[kind] for kind in ("without a view", "0 in time", "1 in time", "2 in time", "at 30 minutes")
    )


def test_the_bundled_events_are_made_anew_byte_for_byte(tmp_path: Path) -> None:
    bundle.write(tmp_path)
    made = {str(file.relative_to(tmp_path)): file.read_bytes() for file in tmp_path.rglob("*.*")}
    there = [DATA / "user_product_discounts.csv", *(DATA / "replay").rglob("*.*")]
    assert made == {str(file.relative_to(DATA)): file.read_bytes() for file in there}


def test_the_bundled_events_are_the_documented_mixture() -> None:
    """Count files, messages, redelivered ones, and ones that arrive minutes late."""
    counts = {}
    for folder in sorted((DATA / "replay").iterdir()):
        files = sorted(folder.iterdir())
        lines = [json.loads(line) for file in files for line in file.read_bytes().splitlines()]
        distinct = {tuple(sorted((k, str(line[k])) for k in line if k in SAME_TWICE)) for line in lines}
        delays = [
            datetime.fromisoformat(line["published_at"]) - datetime.fromisoformat(line["event_at"])
            for line in lines
        ]
        late = sum(delay >= 5 * MINUTE for delay in delays)
        counts[folder.name] = (len(files), len(lines), len(lines) - len(distinct), late)
    assert counts == {
        "browsing-stream": (6, 370, 11, 7),
        "product-stream": (6, 302, 12, 4),
        "purchase-stream": (6, 159, 6, 4),
    }


def test_the_shops_prices_change_at_half_past() -> None:
    prices = re.compile(rb'^\{.*"product_id":"(.+?)".*"unit_price":([\d.]+)\}$')
    seen: dict[tuple[str, bool], Counter[str]] = defaultdict(Counter)
    for arrival in chain.from_iterable(one_round(SCENARIOS["shop"], 7, NOON + 20 * MINUTE)):
        time, found = arrival.message.event_at, prices.match(arrival.message.value or b"")
        if found and time:
            seen[found[1].decode(), time.minute >= 30][found[2].decode()] += 1
    usual = {key: counted.most_common(1)[0][0] for key, counted in seen.items()}  # a broken price is rare
    assert (usual["moka-pot", False], usual["moka-pot", True]) == ("34.9", "31.41")
    assert (usual["travel-mug", False], usual["travel-mug", True]) == ("19.9", "17.91")
    assert (usual["descaler", False], usual["descaler", True]) == ("7.25", "7.25")
