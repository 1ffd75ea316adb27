"""docs/events.schema.json and docs/asyncapi.json say what the code does, and agree with the codec about what is valid."""

import json
from pathlib import Path

import jsonschema
import pytest

from streams.schema import documents, events_schema

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_the_generated_documents_are_up_to_date(path: Path) -> None:
    assert path.read_text() == documents()[path], "run `make docs` and commit what it changed"


@pytest.mark.parametrize("name", ["types_v1.json", "record_v1.json"])
def test_golden_events_are_valid_by_the_schema(name: str) -> None:
    jsonschema.validate(json.loads((GOLDEN / name).read_text()), events_schema())


@pytest.mark.parametrize("body", [{"type": "points_written", "series": "a"}, {"type": "nothing"}, {"type": "run_opened", "run_id": 3}, []])
def test_what_the_codec_refuses_the_schema_refuses(body: object) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(body, events_schema())
