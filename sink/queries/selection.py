"""What a read asks for, whatever its shape: whose series, which span, as known when, in which order, from which key on.

Before: a route or a door. After: one file per shape makes a Query of it. Every selection has a watermark vector (I9).
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from varve.errors import Incorrect
from varve.events import ValueType

Order = Literal["series", "time"]
COLUMNS = (
    "series_id", "valid_time", "value", "text", "valid_time_end", "known_time", "recorded_time", "run_id", "changed_by",
    "annotation", "tags", "version", "op", "mask",
)  # fmt: skip
OF_HISTORY = (*COLUMNS, "deleted_time")


@dataclass(frozen=True)
class Selection:
    """Spans are half-open, instants UTC nanoseconds; None leaves a bound open.

    series: None is all of the tenant. watermark: next offset of each partition. as_of_known, as_of_recorded, known_until bound
    the layers that count; known_from bounds the rows shown; run_id keeps the layers of one run. after: the key of the last
    row of the page before, its columns by name (see Shape.keys). columns: () is the shape's plain choice. version_until, for
    one series alone, sees only what has a smaller version.
    """

    tenant: uuid.UUID
    watermark: tuple[int, ...]
    series: tuple[uuid.UUID, ...] | None = None
    from_: int | None = None
    until: int | None = None
    known_from: int | None = None
    known_until: int | None = None
    as_of_known: int | None = None
    as_of_recorded: int | None = None
    run_id: uuid.UUID | None = None
    order: Order = "series"
    after: Mapping[str, Any] | None = None
    limit: int | None = None
    offset: int = 0
    value_types: frozenset[ValueType] = frozenset({"number"})
    columns: tuple[str, ...] = ()
    version_until: int | None = None

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise Incorrect("limit-out-of-range", f"limit: {self.limit} rows cannot be read: give 1 or more")
        unknown = [name for name in self.columns if name not in OF_HISTORY]
        if unknown:
            raise Incorrect("column-unknown", f"there is no column '{unknown[0]}' in a read: choose from {', '.join(COLUMNS)}")
        assert self.version_until is None or self.single is not None, "versions compare within a series"

    @property
    def single(self) -> uuid.UUID | None:
        return self.series[0] if self.series is not None and len(self.series) == 1 else None

    def every_column(self) -> "Selection":
        """All columns that a flat read has; `text` only where values are of mixed types."""
        return replace(self, columns=tuple(name for name in COLUMNS[:-2] if name != "text" or len(self.value_types) > 1))
