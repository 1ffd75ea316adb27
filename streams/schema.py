"""The public contract as documents: JSON Schema of the events, AsyncAPI of the topics. `make docs` writes them into docs/;
tests/unit/test_schema.py fails when they no longer say what the code does.
"""

import json
from pathlib import Path
from typing import Any

from streams.points import TABLES
from streams.topics import Topics
from varve.codec import ARROW, JSON, ROW_TYPES
from varve.codec_columns import COLUMNS
from varve.events import EVENT, VERSION

DOCS = Path(__file__).parents[1] / "docs"
_TIME = {"type": ["string", "integer"], "description": "ISO 8601 with an offset, or UTC nanoseconds since 1970"}
_COLUMN: dict[str, dict[str, Any]] = {
    "series": {"type": ["string", "null"], "description": "key of the row's series"},
    "series_id": {"type": ["string", "null"], "format": "uuid", "description": "id of the row's series"},
    "valid_time": _TIME,
    "valid_time_end": _TIME | {"type": ["string", "integer", "null"]},
    "known_time": _TIME | {"type": ["string", "integer", "null"]},
    "value": {"type": ["number", "boolean", "string", "null"], "description": "one kind an event; null shows as a row"},
    "text": {"type": ["string", "null"], "description": "the value of a text series"},
    "annotation": {"type": ["string", "null"]},
    "tags": {"type": ["array", "null"], "items": {"type": "string"}},
    "mask": {
        "type": "integer",
        "minimum": 1,
        "maximum": 15,
        "description": "points_updated: 1 value, 2 annotation, 4 tags, 8 valid_time_end",
    },
}
_ABOUT = {
    "intake": "Publish here, with any key: one event or several, of any series. A record is applied wholly or not at all.",
    "events": "The truth, kept for ever. One record holds events of one partition (Kafka's murmur2 of the series id's 36 characters).",
    "receipts": "What became of each record of varve.intake. Key: partition-offset of the intake record.",
    "points": "Layers and rows that the fold made: an Arrow IPC stream of one table a record; headers table, position, last.",
    "progress": "How far the views are, how the workers are, and which log this is. Compacted.",
    "generations": "Which generation of the views is served: the newest record says so. Compacted.",
    "loads": "Whose turn it is: the scheduler wakes loaders, by the task's id.",
    "dead_letters": "Records that were refused: the original bytes, with reason, code, topic, partition and offset as headers.",
}


def events_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of one record of varve.intake or varve.events in JSON: an event, or an array of events."""
    schema = EVENT.json_schema(by_alias=True)
    for body in schema["$defs"].values():
        kind = body["properties"]["type"]["const"]
        body["required"] = sorted({*body.get("required", []), "type"} | ({"valid_time"} if kind in ROW_TYPES else set()))
        if kind in ROW_TYPES:
            columns = {name: {"anyOf": [_COLUMN[name], {"type": "array", "items": _COLUMN[name]}]} for name in COLUMNS}
            body["properties"] = body["properties"] | columns
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Varve events, version {VERSION}",
        "description": "A column is an array with one item a row, or one item that holds for every row.",
        "anyOf": [{"$ref": "#/$defs/Event"}, {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/Event"}}],
        "$defs": schema["$defs"] | {"Event": {name: schema[name] for name in ("oneOf", "discriminator")}},
    }


def asyncapi() -> dict[str, Any]:
    """AsyncAPI 3.0 of every topic under the default prefix."""
    topics = Topics("varve", 4)
    written = {topics.intake: [JSON, ARROW], topics.events: [JSON, ARROW], topics.points: [ARROW]}
    channels = {
        about: {
            "address": getattr(topics, about),
            "description": text,
            "bindings": {"kafka": {"topic": getattr(topics, about), "topicConfiguration": _config(topics, getattr(topics, about))}},
            "messages": {
                kind.rsplit(".", 1)[-1].rsplit("/", 1)[-1]: _message(about, kind) for kind in written.get(getattr(topics, about), [JSON])
            },
        }
        for about, text in _ABOUT.items()
    }
    tables = {name: {field.name: str(field.type) for field in schema} for name, schema in TABLES.items()}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Varve's log",
            "version": str(VERSION),
            "description": "The topics of one log.",
        },
        "defaultContentType": JSON,
        "channels": channels,
        "operations": {
            "publish": {"action": "send", "channel": {"$ref": "#/channels/intake"}},
            "subscribe": {"action": "receive", "channel": {"$ref": "#/channels/points"}},
        },
        "x-tables-of-points": tables,
    }


def documents() -> dict[Path, str]:
    """Every generated document and what it must say."""
    found = {DOCS / "events.schema.json": events_schema(), DOCS / "asyncapi.json": asyncapi()}
    return {path: json.dumps(body, indent=1) + "\n" for path, body in found.items()}


def _config(topics: Topics, name: str) -> dict[str, str]:
    return next(topic.config for topic in topics.all() if topic.name == name)


def _message(about: str, kind: str) -> dict[str, Any]:
    schema = {"$ref": "./events.schema.json"} if about in ("intake", "events") and kind == JSON else {"type": "object"}
    return {"contentType": kind, "payload": schema} if kind == JSON else {"contentType": kind}


if __name__ == "__main__":
    for path, text in documents().items():
        path.write_text(text)
