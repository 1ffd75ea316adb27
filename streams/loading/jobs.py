"""What a run loads, as the documents of its connection and its task say it. Pure.

Before: runner.py has read both. After: a Source, an address with everything filled in, mappings; or a refusal in words.
"""

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from streams.loading.placeholders import filled
from streams.loading.specs import Mapping as Mapped
from streams.loading.specs import Source, source_of
from varve.errors import Incorrect

Body = Mapping[str, Any]


def mappings_of(task: Body) -> tuple[Mapped, ...]:
    found = tuple(
        Mapped(source_identifier=one["sourceIdentifier"], series_id=uuid.UUID(one["targetDatastreamId"])) for one in task["mappings"]
    )
    if not found:
        raise Incorrect("mappings-missing", "The task has no mappings: say which column or field goes to which datastream.")
    return found


def source_fields(connection: Body) -> dict[str, Any]:
    """Of a connection's document, as specs.py names them; without the header's value."""
    payload = connection["payload"]
    placeholders = [
        {"name": one["name"], "type": one["type"], "timestamp_format": one.get("timestampFormat")}
        for one in connection.get("placeholderVariables") or ()
    ]
    said = {
        "url": connection["sourceUrl"], "header_name": connection.get("authHeaderName"), "payload": payload["type"],
        "timestamp_key": payload["timestampKey"], "timestamp_format": payload.get("timestampFormat"),
        "timezone_type": connection.get("timezoneType"), "timezone": connection.get("timezone"), "header_row": payload.get("headerRow"),
        "data_start_row": payload.get("dataStartRow"), "delimiter": payload.get("delimiter"), "jmespath": payload.get("jmespath"),
        "placeholders": placeholders,
    }  # fmt: skip
    return {name: value for name, value in said.items() if value is not None}


def source_in(connection: Body, opened: Callable[[str], str]) -> Source:
    """opened: of the header's value, which is kept sealed."""
    sealed = connection.get("authHeaderSealed")
    return source_of(source_fields(connection) | ({"header_value": opened(sealed)} if sealed else {}))


def address(source: Source, task: Body, since: Mapping[uuid.UUID, int | None], now: int) -> str:
    """latest_observation_timestamp is the oldest of the series' ends; where one of them is empty, there is none."""
    ends = [end for end in since.values() if end is not None]
    oldest = None if len(ends) < len(since) else min(ends, default=None)
    return filled(source, task.get("taskVariables") or {}, {"run_time": now, "latest_observation_timestamp": oldest})
