"""The generated document of the routes is the one in docs/."""

from pathlib import Path

from api.openapi import document

DOCUMENT = Path(__file__).parents[2] / "docs" / "openapi.json"


def test_openapi_document_follows_the_routes() -> None:
    assert DOCUMENT.read_text() == document(), "run: python -m api.openapi > docs/openapi.json"
