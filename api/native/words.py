"""What OpenAPI is told of bodies that we read ourselves. Words alone; the schemas come from the models."""

from typing import Any

from pydantic import BaseModel

_POINTS = {
    "type": "object",
    "description": "Columns (lists of one length) or rows; a field given as one value holds for all rows.",
    "properties": {
        "series": {"description": "key(s); a series that is not there is made"},
        "series_id": {"description": "id(s) of series that are there"},
        "valid_time": {"description": "ISO 8601 with an offset, or nanoseconds since 1970"},
        "value": {"description": "number(s), boolean(s), text(s) or null"},
        "valid_time_end": {"description": "end of the interval that the value is about"},
        "known_time": {"description": "when the value was known; the log decides where absent"},
        "annotation": {"type": ["string", "array", "null"]},
        "tags": {"type": ["array", "null"]},
        "run_id": {"type": "string", "format": "uuid"},
        "changed_by": {"type": "string"},
        "if_series_version": {"type": "integer"},
        "rows": {"type": "array", "items": {"type": "object"}},
    },
}
POINTS_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": _POINTS},
            "application/x-ndjson": {"schema": {"type": "string"}},
            "text/csv": {"schema": {"type": "string"}},
            "application/vnd.apache.arrow.stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
_TOKEN = {"type": "object", "properties": {"token": {"type": "string", "description": "for after= of a read"}}}
WRITTEN: dict[int | str, dict[str, Any]] = {200: {"description": "Written", "content": {"application/json": {"schema": _TOKEN}}}}
_CELL = {"valid_time": {"type": "string"}, "value": {"type": "number", "description": "the latest value now"}}
INCREMENTED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Written",
        "content": {"application/json": {"schema": {"type": "object", "properties": {"token": {"type": "string"}, **_CELL}}}},
    }
}


def json_body(model: type[BaseModel]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": model.model_json_schema()}}}}


def parameters(model: type[BaseModel]) -> dict[str, Any]:
    """Query parameters and headers of a route that reads them itself."""
    named = [
        {"name": name, "in": "query", "required": False, "schema": schema}
        for name, schema in model.model_json_schema()["properties"].items()
    ]
    headers = [{"name": name, "in": "header", "required": False, "schema": {"type": "string"}} for name in ("X-Tenant", "Idempotency-Key")]
    return {"parameters": [*named, *headers]}
