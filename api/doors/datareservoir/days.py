"""A series' UTC days as text, one line a value: the list of those that hold something, each with the MD5 of its text and an address that
is signed, and the text itself. A day's path and MD5 change only when its bytes do, since the client keeps what it has by them.

Before: routes.py. After: the client, which asks for the days' texts side by side. The address names the version that the list saw, so
that the bytes are those of its MD5, whatever is written meanwhile.
"""

import base64
import hashlib
import threading
import uuid
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sink.queries.days import DAY_NS, days, digests, lines, newest_deletion
from sink.queries.flat import FLAT
from sink.queries.query import Query
from sink.queries.selection import Selection
from sink.reads import page_of
from sink.store import Store
from varve.events import ValueType
from varve.instants import EARLIEST, LATEST

TOGETHER_LAYERS = 500_000  # days that are read by one query hold so many; one alone may hold more
KNOWN_MAX = 200_000  # MD5s that are kept


@dataclass(frozen=True)
class Day:
    """day: since 1970. md5: of its text."""

    day: int
    md5: bytes

    @property
    def base64(self) -> str:
        return base64.b64encode(self.md5).decode()


@dataclass(frozen=True)
class _Held:
    """What the MD5 of a day is known by: these layers, and no newer deletion."""

    day: int
    version: int
    layers: int


class Digests:
    """MD5s by what they are of; None where a day has no text, since all it holds is hidden or null. In memory: they can be had anew."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[object, ...], bytes | None] = OrderedDict()
        self._turn = threading.Lock()

    def of(self, store: Store, whole: Selection, first: int, last: int) -> Iterator[Day]:
        """The days that hold text, from first to last, by day; whole: of one series, with no span of its own."""
        asked = spanned(whole, first, last)
        held = [_Held(row["day"], row["version"], row["layers"]) for row in store.rows(days(asked))]
        hidden = store.rows(newest_deletion(asked))[0]["version"]
        for some in _together(held):
            keys = {one.day: (whole.tenant, whole.single, hidden, one) for one in some}
            with self._turn:
                found = {day: self._known[key] for day, key in keys.items() if key in self._known}
            if len(found) < len(keys):
                worked_out = _digests(store, whole, some)
                found = {day: worked_out.get(day) for day in keys}
            with self._turn:
                for day, key in keys.items():
                    self._known[key] = found[day]
                    self._known.move_to_end(key)
                while len(self._known) > KNOWN_MAX:
                    self._known.popitem(last=False)
            yield from (Day(day, md5) for day, md5 in sorted(found.items()) if md5 is not None)


def text(store: Store, whole: Selection, day: int) -> Iterator[bytes]:
    """A day's lines, in pieces."""
    yield from store.stream(lines(_flat(store, spanned(whole, day, day)), _kind(whole)), "TSVRaw")


def day_of(instant: int) -> int:
    return instant // DAY_NS


def spanned(whole: Selection, first: int, last: int) -> Selection:
    """Whole days; the first and the last that can be stored are cut."""
    from_, until = max(first * DAY_NS, EARLIEST), (last + 1) * DAY_NS
    return replace(whole, from_=from_, until=until if until < LATEST else None)


def _together(held: Sequence[_Held]) -> Iterator[list[_Held]]:
    some: list[_Held] = []
    layers = 0
    for one in held:
        if some and layers + one.layers > TOGETHER_LAYERS:
            yield some
            some, layers = [], 0
        some.append(one)
        layers += one.layers
    if some:
        yield some


def _digests(store: Store, whole: Selection, some: Sequence[_Held]) -> dict[int, bytes]:
    """In the store, which holds the text of a day meanwhile; of a day that is too long for that, here."""
    first, last = some[0].day, some[-1].day
    if some[0].layers <= TOGETHER_LAYERS:
        found = store.rows(digests(_flat(store, spanned(whole, first, last)), _kind(whole)))
        return {row["day"]: bytes.fromhex(row["md5"]) for row in found}
    digest, size = hashlib.md5(usedforsecurity=False), 0
    for piece in text(store, whole, first):
        digest.update(piece)
        size += len(piece)
    return {first: digest.digest()} if size else {}


def _flat(store: Store, asked: Selection) -> Query:
    return page_of(store, FLAT, replace(asked, columns=("valid_time", "value"), limit=None)).query


def _kind(whole: Selection) -> ValueType:
    (kind,) = whole.value_types
    return kind


def path_of(ident: uuid.UUID, day: Day) -> str:
    return f"{ident}/{day.day}/{day.md5.hex()}"
