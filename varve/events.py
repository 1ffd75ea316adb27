"""The events of the public contract: one frozen model a type, joined in the union Event. Producers publish them; doors
append them; the fold applies them. Point events carry their rows beside the envelope (varve/columns.py).

docs/events.schema.json is generated from here. Version 1; an old version is lifted by varve/codec.py's upcasters.
"""

import uuid
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, TypeAdapter

from varve.instants import parse_instant
from varve.series import DEFAULT_TENANT, KEY_LENGTH_MAX

VERSION = 1
KNOWN_AHEAD_NS_MAX = 60 * 10**9
ValueType = Literal["number", "bool", "text"]
Instant = Annotated[
    int,
    BeforeValidator(lambda given: parse_instant(given) if isinstance(given, str) else given),
    Field(description="ISO 8601 with an offset, or UTC nanoseconds since 1970", json_schema_extra={"type": ["string", "integer"]}),
]
Key = Annotated[str, Field(min_length=1, max_length=KEY_LENGTH_MAX, description="the series' key, unique in its tenant")]
EventId = Annotated[str, Field(min_length=1, max_length=200, description="repeat it and the event is applied once")]


class Envelope(BaseModel):
    """What every event carries besides its own fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = Field(1, description="version of this contract")
    tenant: uuid.UUID = Field(DEFAULT_TENANT, description="whose series these are")
    event_id: EventId | None = Field(None, description="the client's id of this event, for resubmission")
    body_hash: str | None = Field(None, max_length=64, description="hash of the request; the same event_id with another hash conflicts")
    recorded_time: Instant | None = Field(None, description="the door's stamp; the log's own time where absent")
    changed_by: str | None = Field(None, max_length=320, description="who did it")


class _PointsEnvelope(Envelope):
    known_time: Instant | None = Field(None, description="when the values were known or issued; a column of that name overrules it")
    run_id: uuid.UUID | None = Field(None, description="the run that these points belong to")
    value_type: ValueType | None = Field(None, description="what the values are; the columns tell where absent")
    if_series_version: int | None = Field(None, ge=0, description="apply only at this version of the series")


class PointsWritten(_PointsEnvelope):
    """Each row sets a cell: value (or text), annotation, tags and end of its valid time."""

    type: Literal["points_written"] = "points_written"


class PointsIncremented(_PointsEnvelope):
    """Each row adds its value, a number, to a cell; a cell never set counts from 0."""

    type: Literal["points_incremented"] = "points_incremented"


class LatestIncremented(Envelope):
    """The latest value plus amount, written at a new instant: the event's recorded_time, or 1 ms after the latest one."""

    type: Literal["latest_incremented"] = "latest_incremented"
    series_id: uuid.UUID | None = None
    series: Key | None = None
    amount: FiniteFloat


class PointsUpdated(_PointsEnvelope):
    """Each row replaces only the fields in its mask (1 value, 2 annotation, 4 tags, 8 valid_time_end) of its run's layer."""

    type: Literal["points_updated"] = "points_updated"


class PointsDeleted(Envelope):
    """Hides what the series holds in [from, until) so far; reads as of an earlier time, and history, still show it."""

    type: Literal["points_deleted"] = "points_deleted"
    series_id: uuid.UUID | None = None
    series: Key | None = None
    from_: Instant = Field(alias="from")
    until: Instant
    known_time: Instant | None = None


class SeriesRewritten(_PointsEnvelope):
    """Clears each series that its rows name, and writes the rows, in one."""

    type: Literal["series_rewritten"] = "series_rewritten"


class SeriesDefined(Envelope):
    """Makes a series, or sets the fields that are named here on one that exists; what is absent stays."""

    type: Literal["series_defined"] = "series_defined"
    series_id: uuid.UUID | None = Field(None, description="the series' id, where it is not its key's")
    series: Key | None = Field(None, description="the series' key")
    name: str | None = Field(None, max_length=512)
    description: str | None = Field(None, max_length=4096)
    unit: str | None = Field(None, max_length=128)
    value_type: ValueType | None = None
    tags: list[str] | None = None
    attributes: dict[str, str] | None = None
    labels: dict[str, str] | None = None


class SeriesDescribed(Envelope):
    """Changes how a series is described: a field that is present replaces, null clears, absent stays."""

    type: Literal["series_described"] = "series_described"
    series_id: uuid.UUID | None = None
    series: Key | None = None
    name: str | None = Field(None, max_length=512)
    description: str | None = Field(None, max_length=4096)
    unit: str | None = Field(None, max_length=128)
    tags: list[str] | None = None
    attributes: dict[str, str] | None = None
    labels: dict[str, str] | None = None


class SeriesDeleted(Envelope):
    """Hides the series with all that it holds; a later write or definition makes it again, empty."""

    type: Literal["series_deleted"] = "series_deleted"
    series_id: uuid.UUID | None = None
    series: Key | None = None


class RunOpened(Envelope):
    """A run: one upload of many series, with what made it."""

    type: Literal["run_opened"] = "run_opened"
    run_id: uuid.UUID
    workflow_id: str | None = Field(None, max_length=512)
    known_time: Instant | None = None
    started: Instant | None = None
    finished: Instant | None = None
    params: dict[str, Any] | None = None


class RunSealed(Envelope):
    """The run is complete; points is how many it holds, where the producer says."""

    type: Literal["run_sealed"] = "run_sealed"
    run_id: uuid.UUID
    finished: Instant | None = None
    points: int | None = Field(None, ge=0)


class _EntityEnvelope(Envelope):
    kind: str = Field(min_length=1, max_length=64, pattern="^[^/]+$", description="what the document is of; no '/'")
    id: str = Field(min_length=1, max_length=512, description="unique in its tenant and kind")
    expected_version: int | None = Field(None, ge=0, description="apply only at this version of the document; 0 is none")


class EntityPut(_EntityEnvelope):
    """A document by kind and id, put whole."""

    type: Literal["entity_put"] = "entity_put"
    document: dict[str, Any]
    if_absent: bool = Field(False, description="apply only where there is none")


class EntityDeleted(_EntityEnvelope):
    """The document is gone from now on; its versions stay."""

    type: Literal["entity_deleted"] = "entity_deleted"


class PurgeRequested(Envelope):
    """Erases the series' rows in [from, until) from the tables, now and on every replay; without bounds, all of them."""

    type: Literal["purge_requested"] = "purge_requested"
    series_id: uuid.UUID | None = None
    series: Key | None = None
    from_: Instant | None = Field(None, alias="from")
    until: Instant | None = None


RowEvent = PointsWritten | PointsIncremented | PointsUpdated | SeriesRewritten
SeriesEvent = LatestIncremented | PointsDeleted | SeriesDefined | SeriesDescribed | SeriesDeleted | PurgeRequested
Event = Annotated[
    RowEvent | SeriesEvent | RunOpened | RunSealed | EntityPut | EntityDeleted,
    Field(discriminator="type"),
]
EVENT: TypeAdapter[Any] = TypeAdapter(Event)
