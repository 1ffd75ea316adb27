"""Documents that a test keeps true: settings, routes, and nothing in any file that holds only on one machine."""

import re
from typing import Any, cast

import pytest

from tests.tidy.house import ROOT, files, own_modules, settings_fields

SETTINGS_MAX = 46
REGISTRIES = (
    "pypi" + ".org",
    "files.python" + "hosted.org",
    "repo1." + "maven.org",
    "repo." + "maven.apache.org",
    "registry." + "npmjs.org",
    "--index" + "-url",
    "--extra-index" + "-url",
)
MACHINE_PATHS = re.compile(
    r"(?<![\w.])/(" + "|".join(("wo" + "rk/", "tmp/" + "try", "ro" + "ot/", "ho" + "me/[a-z]", "Us" + "ers/[a-z]")) + ")"
)
BINARY = (".png", ".parquet", ".arrow", ".bin", ".ico", ".woff2", ".gz", ".zst")


def test_every_setting_stands_in_the_document_with_its_default_and_help_line() -> None:
    text = (ROOT / "docs" / "SETTINGS.md").read_text()
    missing = []
    for name, (default, help_line) in settings_fields().items():
        shown = "(empty)" if default == "" else str(default)
        row = f"| `{name}` | `{shown}` | {help_line} |"
        if row not in text:
            missing.append(row)
    assert missing == []


def test_the_document_names_no_setting_that_does_not_exist() -> None:
    text = (ROOT / "docs" / "SETTINGS.md").read_text()
    known = {*settings_fields(), "VARVE_TEST_KAFKA", "VARVE_TEST_CLICKHOUSE"}
    assert set(re.findall(r"VARVE_[A-Z_]+", text)) - known == set()


def test_every_setting_has_a_help_line_and_there_are_not_too_many() -> None:
    fields = settings_fields()
    assert [name for name, (_, help_line) in fields.items() if not help_line] == []
    assert len(fields) <= SETTINGS_MAX


@pytest.mark.parametrize("path", [path for path in files() if not path.endswith(BINARY)])
def test_no_file_holds_a_registry_address_or_a_path_of_one_machine(path: str) -> None:
    text = (ROOT / path).read_text(errors="replace")
    assert [registry for registry in REGISTRIES if registry in text and (path, registry) not in EXCUSED] == []
    assert [found.group() for found in MACHINE_PATHS.finditer(text)] == []


EXCUSED: set[tuple[str, str]] = set()


def routes() -> list[str]:
    """Every route of the application as 'GET /path'; its parts are never touched, so there are none."""
    from api.app import create_app

    paths = create_app(cast(Any, None)).openapi()["paths"]
    return sorted(f"{method.upper()} {path}" for path, methods in paths.items() for method in methods)


def test_every_websocket_stands_in_the_document() -> None:
    """OpenAPI does not tell of them, so the code does."""
    sockets = [found for module in own_modules() for found in re.findall(r"routes\.websocket\(\"([^\"]*)\"\)", module.text)]
    text = (ROOT / "docs" / "API.md").read_text()
    assert sockets and [path for path in sockets if f"`WS {path}`" not in text] == []


def test_the_application_tells_its_routes() -> None:
    assert "GET /healthz" in routes()  # else the next two tests would say nothing


def test_every_route_stands_in_the_document() -> None:
    text = (ROOT / "docs" / "API.md").read_text()
    assert [route for route in routes() if f"`{route}`" not in text] == []


def test_the_document_names_no_route_that_does_not_exist() -> None:
    text = (ROOT / "docs" / "API.md").read_text()
    assert (
        set(re.findall(r"`((?:GET|POST|PUT|PATCH|DELETE) /[^`?]*)`", text)) - {*routes(), "GET /docs", "GET /openapi.json"} == set()
    )  # these two are FastAPI's
