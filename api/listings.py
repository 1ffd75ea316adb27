"""Lists of what is described: the client's filters as a search, rows as JSON objects, the key of a page's last row. Pure.

Before: routes of series and runs. After: reads.py asks the store by sink/queries.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from sink.queries.series import SeriesSearch
from varve.instants import EARLIEST, LATEST, parse_instant
from varve.series import series_id

BEGINS = ("name", "description", "unit")


@dataclass(frozen=True)
class SeriesFilter:
    """Series that match all of it. ids, keys: one of them. begins: a field of BEGINS, and how it does."""

    ids: tuple[uuid.UUID, ...] = ()
    keys: tuple[str, ...] = ()
    name: str | None = None
    description: str | None = None
    unit: str | None = None
    tags: tuple[str, ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    prefix: str | None = None
    begins: tuple[tuple[str, str], ...] = ()

    @property
    def empty(self) -> bool:
        return self == SeriesFilter()

    def search(
        self, tenant: uuid.UUID, watermark: tuple[int, ...], key: Mapping[str, Any] | None = None, limit: int | None = None
    ) -> SeriesSearch:
        """key: of the last row of the page before."""
        ids = (*self.ids, *(series_id(tenant, one) for one in self.keys))
        exact = {name: given for name in ("name", "description", "unit") if (given := getattr(self, name)) is not None}
        prefix = dict(self.begins) | ({} if self.prefix is None else {"key": self.prefix})
        return SeriesSearch(
            tenant, watermark, ids or None, exact, prefix, self.tags, dict(self.attributes),
            dict(self.labels), after=None if key is None else (str(key["key"]), uuid.UUID(str(key["series_id"]))), limit=limit,
        )  # fmt: skip


def series_key(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"key": row["key"] or "", "series_id": row["series_id"]}


def run_key(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"opened_time": parse_instant(row["opened_time"]), "run_id": row["run_id"]}


def run_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """As a client sees it: params as an object."""
    return {**row, "params": None if row["params"] is None else orjson.loads(row["params"])}


def entity_key(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": row["id"]}


def entity_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """As a client sees it: the document as an object; null where it was deleted."""
    shown = {name: row[name] for name in ("kind", "id", "version", "recorded_time", "changed_by")}
    return shown | {"document": None if row["deleted"] else orjson.loads(row["document"])}


def deletion_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """As a client sees it: a bound that is none is null."""
    start, end = (parse_instant(row[name]) for name in ("from", "until"))
    return {**row, "from": None if start == EARLIEST else row["from"], "until": None if end == LATEST else row["until"]}
