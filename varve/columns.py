"""The rows of a record's point events as columns: numpy for numbers, Arrow for words. Codec and doors make them; the
route agent and the writer split them by partition; the fold turns them into layers. Rows are in order of event.

Null is a missing value that shows as a row; NaN never gets in (I10).
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from varve.instants import ABSENT

MASK_VALUE, MASK_ANNOTATION, MASK_TAGS, MASK_VALID_TIME_END = 1, 2, 4, 8
MASK_ALL = 15


@dataclass(frozen=True)
class Target:
    """A series that rows are about; key is "" where it was named by id alone."""

    tenant: uuid.UUID
    series_id: uuid.UUID
    key: str

    @cached_property
    def ident(self) -> bytes:
        """Tenant and series in 32 bytes: what state and rows are keyed by; far cheaper to hash than two UUIDs."""
        return self.tenant.bytes + self.series_id.bytes


@dataclass(frozen=True)
class Points:
    """n rows. event, target: int32[n], indexes into the record's events and into targets; mask: uint8[n], the fields that a row sets.

    valid_time, valid_time_end, known_time: int64[n] nanoseconds, ABSENT where not given; value: float64[n], valid where `valued`
    (bool[n]); text, annotation: Arrow string[n] or None where no row has one; tags: Arrow list<string>[n] or None.
    """

    event: NDArray[np.int32]
    target: NDArray[np.int32]
    targets: tuple[Target, ...]
    valid_time: NDArray[np.int64]
    valid_time_end: NDArray[np.int64]
    known_time: NDArray[np.int64]
    value: NDArray[np.float64]
    valued: NDArray[np.bool_]
    mask: NDArray[np.uint8]
    text: pa.Array | None = None
    annotation: pa.Array | None = None
    tags: pa.Array | None = None

    def __len__(self) -> int:
        return len(self.valid_time)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> "Points":
        """The chosen rows (indexes, or a mask), with targets left as they are."""
        chosen = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        words = pa.array(chosen)
        numbers: dict[str, Any] = {name: getattr(self, name)[chosen] for name in _NUMBERS}
        taken: dict[str, Any] = {name: None if getattr(self, name) is None else getattr(self, name).take(words) for name in _WORDS}
        return replace(self, **numbers, **taken)

    def compact(self) -> "Points":
        """Only the targets that rows are about, renumbered in their order of first use."""
        used, first, inverse = np.unique(self.target, return_index=True, return_inverse=True)
        order = np.argsort(first, kind="stable")
        rank = np.empty(len(used), np.int32)
        rank[order] = np.arange(len(used), dtype=np.int32)
        return replace(self, target=rank[inverse].astype(np.int32), targets=tuple(self.targets[used[at]] for at in order))


_NUMBERS = ("event", "target", "valid_time", "valid_time_end", "known_time", "value", "valued", "mask")
_WORDS = ("text", "annotation", "tags")
_WORD_TYPES = {"text": pa.string(), "annotation": pa.string(), "tags": pa.list_(pa.string())}


def make_points(
    targets: Sequence[Target],
    target: NDArray[np.int32],
    valid_time: NDArray[np.int64],
    value: NDArray[np.float64],
    *,
    event: NDArray[np.int32] | None = None,
    valued: NDArray[np.bool_] | None = None,
    valid_time_end: NDArray[np.int64] | None = None,
    known_time: NDArray[np.int64] | None = None,
    mask: NDArray[np.uint8] | None = None,
    text: pa.Array | None = None,
    annotation: pa.Array | None = None,
    tags: pa.Array | None = None,
) -> Points:
    """Points with the columns that were left out filled in: event 0, full mask, absent instants, every value valid."""
    n = len(valid_time)
    return Points(
        event=np.zeros(n, np.int32) if event is None else event,
        target=target,
        targets=tuple(targets),
        valid_time=valid_time,
        valid_time_end=np.full(n, ABSENT, np.int64) if valid_time_end is None else valid_time_end,
        known_time=np.full(n, ABSENT, np.int64) if known_time is None else known_time,
        value=value,
        valued=np.ones(n, bool) if valued is None else valued,
        mask=np.full(n, MASK_ALL, np.uint8) if mask is None else mask,
        text=text,
        annotation=annotation,
        tags=tags,
    )


def no_points() -> Points:
    return make_points((), np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.float64))


def concat_points(parts: Sequence[Points], event_bases: Sequence[int]) -> Points:
    """The parts one after the other; event numbers of part i are raised by event_bases[i], equal targets are merged."""
    if len(parts) == 1 and event_bases[0] == 0:
        return parts[0]
    index: dict[Target, int] = {}
    targets = []
    for part in parts:
        renumber = np.array([index.setdefault(target, len(index)) for target in part.targets], np.int32)
        targets.append(renumber[part.target] if len(part) else part.target)
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in _NUMBERS if name not in ("event", "target")
    }
    events = [part.event + np.int32(base) for part, base in zip(parts, event_bases, strict=True)]
    words: dict[str, Any] = {
        name: _concat_words([getattr(part, name) for part in parts], [len(part) for part in parts], name) for name in _WORDS
    }
    return Points(event=np.concatenate(events), target=np.concatenate(targets), targets=tuple(index), **columns, **words)


def _concat_words(arrays: list[pa.Array | None], lengths: list[int], name: str) -> pa.Array | None:
    if all(array is None for array in arrays):
        return None
    kind = _WORD_TYPES[name]
    filled = [pa.nulls(n, kind) if array is None else array for array, n in zip(arrays, lengths, strict=True)]
    return pa.concat_arrays(filled)
