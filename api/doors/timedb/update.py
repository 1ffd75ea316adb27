"""TimeDB's PUT /values: tri-state updates of a run's records, in its words.

Before: routes.py. After: api/changes.py finds what differs and writes it.
"""

import uuid
from collections.abc import Sequence
from typing import Any

import orjson
from fastapi import Response
from pydantic import BaseModel, Field

from api.changes import Change, change
from api.doors.timedb.upload import NaiveInstant
from api.lookups import Cell
from api.parts import Parts
from api.request import parsed
from api.stamps import Stamp
from varve.errors import BadRow, Incorrect
from varve.instants import format_instant
from varve.series import DEFAULT_TENANT

FIELDS = ("value", "annotation", "tags")


class Update(BaseModel):
    run_id: uuid.UUID
    tenant_id: uuid.UUID = DEFAULT_TENANT
    valid_time: NaiveInstant
    series_id: uuid.UUID
    value: float | None = Field(None, allow_inf_nan=False)
    annotation: str | None = None
    tags: list[str] | None = None

    def change(self) -> Change:
        fields: dict[str, Any] = {name: getattr(self, name) for name in FIELDS if name in self.model_fields_set}
        if "annotation" in fields:
            fields["annotation"] = (self.annotation or "").strip() or None
        if "tags" in fields:
            fields["tags"] = sorted({tag.strip().lower() for tag in self.tags or [] if tag.strip()})
        return Change(Cell(self.tenant_id, self.run_id, self.series_id, self.valid_time), fields)

    def told(self) -> dict[str, Any]:
        when = format_instant(self.valid_time).removesuffix("Z") + "+00:00"
        return {"run_id": str(self.run_id), "tenant_id": str(self.tenant_id), "valid_time": when, "series_id": str(self.series_id)}


def asked_of(found: Any, tenant: uuid.UUID) -> list[Update]:
    """tenant: of updates that name none."""
    rows = found.get("updates") if isinstance(found, dict) else None
    if not isinstance(rows, list) or not rows:
        raise Incorrect("updates", "updates: send a list of at least one update")
    updates = [parsed(Update, row) for row in rows]
    empty = [BadRow(at, "updates", "names no field") for at, one in enumerate(updates) if not set(FIELDS) & one.model_fields_set]
    if empty:
        raise Incorrect("update-empty", f"updates: row {empty[0].row} names none of {', '.join(FIELDS)}", tuple(empty))
    return [one if "tenant_id" in one.model_fields_set else one.model_copy(update={"tenant_id": tenant}) for one in updates]


async def answer(parts: Parts, updates: Sequence[Update], stamp: Stamp) -> Response:
    changed = await change(parts, [one.change() for one in updates], stamp, "view")
    pairs = list(zip(updates, changed.versions, strict=True))
    updated = [one.told() | {"value_id": version} for one, version in pairs if version is not None]
    skipped = [one.told() for one, version in pairs if version is None]
    headers = {} if changed.written is None else {"Varve-Token": str(changed.written.token)}
    return Response(orjson.dumps({"updated": updated, "skipped_no_ops": skipped}), 200, headers, "application/json")
