"""An entry of DataReservoir's metadata as it is read: a document of kind `metadata` whose id is namespace/key. Its GUID is the one that the
log knows the document by, so that whoever makes it first, it is the same.

Before: metadata.py and assigned.py ask for some. After: sink/queries/entities.py.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from api.parts import Parts
from api.request import Caller
from sink.queries.entities import EntitySearch
from varve.errors import NotFound
from varve.series import entity_id

KIND = "metadata"
BODY_MB_MAX = 1
IDS_MAX = 2_000  # bound into one query


@dataclass(frozen=True)
class Entry:
    """value: the fields."""

    ident: uuid.UUID
    namespace: str
    key: str
    value: Mapping[str, Any]
    modified: str
    modified_by: str

    @classmethod
    def of(cls, tenant: uuid.UUID, row: Mapping[str, Any]) -> "Entry":
        namespace, _, key = str(row["id"]).partition("/")
        return cls(entity_id(tenant, KIND, row["id"]), namespace, key, row["document"], row["recorded_time"], row["changed_by"])

    def told(self, series: Sequence[str]) -> dict[str, Any]:
        return {
            "Id": str(self.ident), "Namespace": self.namespace, "Key": self.key, "Value": dict(self.value), "TimeSeries": list(series),
            "LastModified": self.modified, "LastModifiedByEmail": self.modified_by or None,
        }  # fmt: skip


async def entries(parts: Parts, who: Caller, idents: Sequence[uuid.UUID]) -> list[Entry]:
    """In their order; NotFound names the first that is not there."""
    found: dict[uuid.UUID, Entry] = {}
    for at in range(0, len(idents), IDS_MAX):
        rows = await parts.reads.entities(search(parts, who, entity_ids=tuple(idents[at : at + IDS_MAX])))
        found |= {(entry := Entry.of(who.tenant, row)).ident: entry for row in rows}
    missing = next((ident for ident in idents if ident not in found), None)
    if missing is not None:
        raise NotFound("metadata-unknown", f"there is no metadata {missing} in this tenant")
    return [found[ident] for ident in idents]


def search(parts: Parts, who: Caller, kind: str = KIND, **narrowed: Any) -> EntitySearch:
    return EntitySearch(who.tenant, parts.reads.watermark(parts.views.vector()), kind, **narrowed)


def guid_of(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def json_of(value: Any) -> str:
    return orjson.dumps(value).decode()
