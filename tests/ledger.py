"""Logs of every kind of event, drawn at random, and a ledger that applies one event after the other, in lists: what the fold's
vectorized answer is held against."""

import uuid
from typing import Any

from hypothesis import strategies as st

from varve.codec_columns import points_from_columns
from varve.events import EVENT
from varve.instants import ABSENT, EARLIEST, LATEST
from varve.position import version_of
from varve.record import Record, joined, single

TENANT = uuid.UUID(int=0)
SERIES = [uuid.UUID(int=n + 1) for n in range(3)]
SECOND = 10**9
MINUTE = 60 * SECOND
DAY = 1440 * MINUTE
NOON = 1_743_249_600 * SECOND
Event = dict[str, Any]

times = st.one_of(st.integers(0, 9).map(lambda n: NOON + n * 5 * MINUTE), st.integers(0, 4).map(lambda n: NOON + n * DAY // 2))
number = st.integers(-4, 9)
row = st.tuples(st.integers(0, 2), times, number)
nullable = st.tuples(st.integers(0, 2), times, st.none() | number)


def rows(of: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """Mostly in order, as producers send them."""
    listed = st.lists(of, min_size=1, max_size=6)
    return st.one_of(listed, listed.map(lambda found: sorted(found, key=lambda one: one[1])))


@st.composite
def events(draw: st.DrawFn) -> Event:
    kind = draw(
        st.sampled_from(["written", "written", "incremented", "incremented", "updated", "deleted", "rewritten", "latest", "dropped"])
    )
    made: Event = {"kind": kind, "known": draw(st.none() | st.none() | st.integers(0, 40)), "series": draw(st.integers(0, 2))}
    made["again"] = draw(st.none() | st.none() | st.none() | st.integers(0, 9))
    match kind:
        case "written" | "updated":
            made |= {"rows": draw(rows(nullable)), "mask": draw(st.sampled_from([1, 2])) if kind == "updated" else 15}
        case "incremented":
            made["rows"] = draw(rows(row))
        case "rewritten":
            found = draw(rows(nullable))
            made["rows"] = [(made["series"], *one[1:]) for one in found]
        case "deleted":
            from_, until = draw(times), draw(times)
            made |= {"from": min(from_, until), "until": draw(st.sampled_from([max(from_, until) + 1, LATEST]))}
        case "latest":
            made["amount"] = draw(number)
    return made


def named(log: list[list[Event]]) -> list[list[Event]]:
    """Each event with a name of its own, which is its event_id; some are an earlier one, sent again."""
    sent: list[Event] = []
    made: list[list[Event]] = []
    for record in log:
        made.append([])
        for event in record:
            again = event.get("again")
            one = event | {"name": str(len(sent))} if again is None or not sent else sent[again % len(sent)]
            sent.append(one)
            made[-1].append(one)
    return made


logs = st.lists(st.lists(events(), min_size=1, max_size=4), min_size=1, max_size=8).map(named)


def record_of(record: list[Event], stamp: int, tenant: uuid.UUID = TENANT) -> Record:
    return joined([_event_of(event, stamp, tenant) for event in record])


def _event_of(event: Event, stamp: int, tenant: uuid.UUID) -> Record:
    body: dict[str, Any] = {"tenant": tenant, "recorded_time": stamp, "event_id": event["name"], "body_hash": "11"}
    if event["known"] is not None and event["kind"] not in ("latest", "dropped"):
        body["known_time"] = NOON + event["known"] * SECOND
    match event["kind"]:
        case "deleted":
            body |= {"type": "points_deleted", "series_id": SERIES[event["series"]], "from": event["from"], "until": event["until"]}
        case "dropped":
            body |= {"type": "series_deleted", "series_id": SERIES[event["series"]]}
        case "latest":
            body |= {"type": "latest_incremented", "series_id": SERIES[event["series"]], "amount": float(event["amount"])}
        case kind:
            body |= {"type": "series_rewritten" if kind == "rewritten" else f"points_{kind}"}
            columns = {
                "series_id": [str(SERIES[one[0]]) for one in event["rows"]],
                "valid_time": [one[1] for one in event["rows"]],
                "value": [None if one[2] is None else float(one[2]) for one in event["rows"]],
            }
            if kind == "updated":
                columns |= {"mask": [event["mask"]] * len(event["rows"]), "annotation": ["seen"] * len(event["rows"])}
            made = EVENT.validate_python(body)
            return single(made, points_from_columns(columns, None, [made], "here")[0])
    return single(EVENT.validate_python(body))


class Ledger:
    """One event after the other, in lists."""

    def __init__(self) -> None:
        self.layers: list[dict[str, Any]] = []
        self.deletions: list[dict[str, Any]] = []
        self.recorded = [ABSENT] * 3
        self.known = [ABSENT] * 3
        self.first, self.last = [ABSENT] * 3, [ABSENT] * 3

    def apply(self, record: list[Event], offset: int, stamp: int, statuses: list[str]) -> None:
        place = 0
        for event, status in zip(record, statuses, strict=True):
            if event["kind"] in ("deleted", "dropped", "rewritten"):
                if status == "applied":
                    self.delete(event, version_of(offset, place), stamp)
                place += 1
            if event["kind"] == "latest":
                if status == "applied":
                    self.add_latest(event, version_of(offset, place), stamp)
                place += 1
            if "rows" in event:
                if status == "applied":
                    self.write(event, event["rows"], [version_of(offset, place + n) for n in range(len(event["rows"]))], stamp)
                place += len(event["rows"])

    def delete(self, event: Event, version: int, stamp: int) -> None:
        number, given = event["series"], event["known"] if event["kind"] == "deleted" else None
        recorded = max(stamp, self.recorded[number])
        known = max(recorded, self.known[number]) if given is None else NOON + given * SECOND
        self.recorded[number], self.known[number] = recorded, max(known, self.known[number])
        from_, until = event.get("from", EARLIEST), event.get("until", LATEST)
        self.deletions.append({"series": number, "version": version, "from": from_, "until": until, "known": known, "recorded": recorded})
        if until > self.last[number] and from_ <= self.first[number]:
            self.first[number], self.last[number] = ABSENT, ABSENT

    def add_latest(self, event: Event, version: int, stamp: int) -> None:
        number = event["series"]
        recorded = max(stamp, self.recorded[number])
        at = recorded if self.last[number] == ABSENT else max(recorded, self.last[number] + 10**6)
        before = 0 if self.last[number] == ABSENT else self.value(number, self.last[number]) or 0
        self.write(event | {"known": None}, [(number, at, before + event["amount"])], [version], stamp)

    def write(self, event: Event, found: list[tuple[int, int, int | None]], versions: list[int], stamp: int) -> None:
        op = {"incremented": 1, "updated": 2}.get(event["kind"], 0)
        given = None if event["known"] is None else NOON + event["known"] * SECOND
        for number in sorted({one[0] for one in found}):
            recorded = max(stamp, self.recorded[number])
            known = max(recorded, self.known[number]) if given is None else given
            self.recorded[number], self.known[number] = recorded, max(known, self.known[number])
            for (of, at, value), version in zip(found, versions, strict=True):
                if of == number:
                    mask = 1 if op == 1 else event.get("mask", 15)
                    shown = value if mask & 1 else None
                    layer = {"series": of, "at": at, "known": known, "recorded": recorded, "version": version, "op": op, "mask": mask}
                    twin = next(
                        (one for one in self.layers if op == 1 and one["version"] in versions and one["series"] == of and one["at"] == at),
                        None,
                    )
                    if twin is not None:
                        self.layers.remove(twin)
                        shown = (shown or 0) + twin["value"]
                    self.layers.append(layer | {"value": shown})
                    self.first[number] = at if self.first[number] == ABSENT else min(self.first[number], at)
                    self.last[number] = max(self.last[number], at)

    def value(self, number: int, at: int, until: int = 1 << 63, known_max: int = LATEST) -> int | None:
        """Of a cell, by versions below `until` that were known by known_max."""
        deleted = [
            one["version"] for one in self.deletions
            if one["series"] == number and one["from"] <= at < one["until"] and one["version"] < until and one["known"] <= known_max
        ]  # fmt: skip
        cell = [
            one for one in self.layers
            if (one["series"], one["at"]) == (number, at) and max(deleted, default=0) < one["version"] < until and one["known"] <= known_max
        ]  # fmt: skip
        value = None
        for one in sorted(cell, key=lambda one: (one["known"], one["version"])):
            if one["op"] == 1:
                value = (value or 0) + one["value"]
            elif one["mask"] & 1:
                value = one["value"]
        return value
