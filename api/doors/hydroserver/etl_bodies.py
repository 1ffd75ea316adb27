"""What HydroServer's clients send of data connections and tasks, both generations of them, and what of it is kept. Pure.

Before: connections.py and tasks.py have a JSON object. After: documents. Times of a connection stand flat (1.12.2) or under `timestamp`
(1.10.0b2); what a notification holds is in camelCase or snake_case, as the client's user wrote it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AwareDatetime, BeforeValidator, Field

from api.doors.hydroserver.bodies import Fields, Text255
from api.request import parsed
from streams.loading.moments import nanoseconds_of, said_time
from streams.loading.schedule import refuse_schedule
from streams.loading.specs import DELIMITERS, Delimiter
from varve.errors import Incorrect

Zone = Literal["utc", "offset", "iana"]
EMAIL = r"^[^@\s]{1,64}@[^@\s]{1,255}$"


def _aware(said: Any) -> Any:
    """A time without an offset is UTC's."""
    if not isinstance(said, str):
        return said
    try:
        found = datetime.fromisoformat(said)
    except ValueError:
        raise ValueError(f"'{said[:60]}' is no ISO 8601 time") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


class Schedule(Fields):
    enabled: bool = True
    start_time: Annotated[AwareDatetime | None, BeforeValidator(_aware)] = None
    crontab: str | None = None
    interval: int | None = None
    interval_period: Literal["minutes", "hours", "days"] | None = None


class Payload(Fields):
    type: Literal["CSV", "JSON"]
    timestamp_key: str = Field(min_length=1)
    timestamp_format: str | None = None
    header_row: int | None = Field(None, ge=1)
    data_start_row: int | None = Field(None, ge=1)
    delimiter: Annotated[Delimiter | None, BeforeValidator(lambda said: DELIMITERS.get(str(said), said))] = None
    jmespath: str | None = None
    OF: ClassVar[Mapping[str, tuple[str, ...]]] = {"CSV": ("headerRow", "dataStartRow", "delimiter"), "JSON": ("jmespath",)}


class Placeholder(Fields):
    SYNONYMS: ClassVar[Mapping[str, str]] = {"variable_type": "type", "variableType": "type"}
    name: str = Field(min_length=1)
    type: Literal["run_time", "latest_observation_timestamp", "per_task"]
    timestamp_format: str | None = None


class Notification(Fields):
    recipient_emails: tuple[Annotated[str, Field(pattern=EMAIL)], ...] = ()


class Connection(Fields):
    name: Text255 = Field(min_length=1)
    description: str | None = None
    source_url: str = Field(pattern=r"^https?://", max_length=4_096)
    auth_header_name: str | None = Field(None, pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", max_length=255)
    timezone_type: Zone | None = None
    timezone: str | None = None


class Mapped(Fields):
    source_identifier: str = Field(min_length=1)
    target_datastream_id: str


class Task(Fields):
    name: Text255 = Field(min_length=1)
    description: str | None = None
    task_variables: dict[str, Any] = Field(default_factory=dict)


def flat(said: Mapping[str, Any]) -> dict[str, Any]:
    """Of 1.10.0b2 as of 1.12.2: times of the payload, zones at the top."""
    found, timestamp = dict(said), said.get("timestamp")
    if isinstance(timestamp, dict):
        times = {"timestampKey": timestamp.get("key"), "timestampFormat": timestamp.get("format")}
        payload = said.get("payload")
        if isinstance(payload, dict) or payload is None:
            found["payload"] = {name: text for name, text in times.items() if text is not None} | (payload or {})
        found |= {name: timestamp[name] for name in ("timezoneType", "timezone") if name in timestamp}
    return found


def payload_of(said: Any, before: Mapping[str, Any] | None) -> dict[str, Any]:
    """What is not said stays, but for what another type does not have."""
    if said is None and before is not None:
        return dict(before)
    if not isinstance(said, dict):
        raise Incorrect("payload-missing", 'payload: say {"type": "CSV" or "JSON", "timestampKey": ...}')
    if said.get("dataIngestionWindow") or said.get("data_ingestion_window"):
        raise Incorrect("window-unknown", "payload.dataIngestionWindow is not known here: each series is loaded from where it ends")
    found = parsed(Payload, {**(before or {}), **said}).model_dump(by_alias=True)
    strange = {name for kind, names in Payload.OF.items() if kind != found["type"] for name in names}
    return {name: value for name, value in found.items() if name not in strange}


def placeholders_of(said: Any, before: Any) -> list[dict[str, Any]]:
    if said is None:
        return list(before or [])
    if not isinstance(said, list):
        raise Incorrect("placeholders-incorrect", "placeholderVariables: say a list")
    found = [parsed(Placeholder, _synonyms(one)).model_dump(by_alias=True) for one in said]
    names = [one["name"] for one in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise Incorrect("placeholder-double", f"placeholderVariables: '{twice}' stands there twice")
    return found


def _synonyms(one: Any) -> Any:
    return {Placeholder.SYNONYMS.get(name, name): value for name, value in one.items()} if isinstance(one, dict) else one


def notification_of(said: Any, before: Mapping[str, Any] | None, now: int) -> dict[str, Any] | None:
    """None without recipients."""
    if not isinstance(said, dict):
        raise Incorrect("notification-incorrect", 'notification: say {"recipientEmails": [...], "schedule": {...}}')
    emails = parsed(Notification, said).recipient_emails
    if not emails:
        return None
    schedule = schedule_of(said.get("schedule"), (before or {}).get("schedule"), now)
    if schedule is None:
        raise Incorrect("notification-schedule-missing", "notification: a schedule is needed: say when summaries are sent")
    return {"recipientEmails": sorted(set(emails)), "schedule": schedule}


def schedule_of(said: Any, before: Mapping[str, Any] | None, now: int) -> dict[str, Any] | None:
    """since: from when on it counts: a new, changed or resumed schedule runs nothing that was due before. None: by hand."""
    if said is None:
        return dict(before) if before else None
    if not isinstance(said, dict):
        raise Incorrect("schedule-incorrect", "schedule: say an object with crontab, or interval and intervalPeriod")
    kept = {name: value for name, value in (before or {}).items() if name != "since"}
    if _says(said, "crontab"):
        kept |= {"interval": None, "intervalPeriod": None}
    elif _says(said, "interval"):
        kept["crontab"] = None
    asked = parsed(Schedule, kept | said)
    if not asked.crontab and asked.interval is None:
        return None
    refuse_schedule(asked.crontab, asked.interval, asked.interval_period)
    found = asked.model_dump(by_alias=True)
    found["startTime"] = None if asked.start_time is None else said_time(nanoseconds_of(asked.start_time))
    same = before is not None and found == {name: value for name, value in before.items() if name != "since"}
    return found | {"since": before["since"] if same and before else said_time(now)}


def _says(said: Mapping[str, Any], name: str) -> bool:
    return said.get(name) is not None


def mappings_of(said: Any, before: Any) -> list[dict[str, str]]:
    if said is None:
        return list(before or [])
    if not isinstance(said, list):
        raise Incorrect("mappings-incorrect", "mappings: say a list of source_identifier and target_datastream_id")
    given = [parsed(Mapped, one).model_dump(by_alias=True) for one in said]
    found = [dict(pair) for pair in dict.fromkeys(tuple(one.items()) for one in given)]
    sources: dict[str, str] = {}
    for one in found:
        other = sources.setdefault(one["targetDatastreamId"], one["sourceIdentifier"])
        if other != one["sourceIdentifier"]:
            words = f"'{other}' and '{one['sourceIdentifier']}' go to one datastream ({one['targetDatastreamId']})"
            raise Incorrect("mappings-incorrect", f"mappings: {words}, where each would overwrite the other: give each its own")
    return found
