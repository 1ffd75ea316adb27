"""docker-compose.yml and the image, as far as they can be judged without Docker: structure, settings, pins, health checks."""

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from typer.main import get_command

from tests.tidy.house import ROOT, settings_fields
from varve.cli import app
from varve.settings import Settings

OURS = ("migrate", "worker", "loader", "sink", "api")
DURATION = {"type": "string", "pattern": r"^\d+(s|m)$"}
WORDS = {"type": "array", "items": {"type": "string"}, "minItems": 1}
HEALTH = {
    "type": "object",
    "additionalProperties": False,
    "required": ["test", "interval", "timeout", "retries"],
    "properties": {
        "test": {"type": "array", "prefixItems": [{"const": "CMD"}], "minItems": 2, "items": {"type": "string"}},
        "interval": DURATION,
        "timeout": DURATION,
        "start_period": DURATION,
        "retries": {"type": "integer"},
    },
}
WAITED_FOR = {"enum": ["service_started", "service_healthy", "service_completed_successfully"]}
SERVICE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["image"],
    "properties": {
        "image": {"type": "string", "pattern": r"^[a-z0-9./-]+:v?\d+\.\d+\.\d+[\w.-]*$"},  # a pinned tag, never latest
        "build": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"context": {"type": "string"}, "dockerfile": {"type": "string"}},
        },
        "command": WORDS,
        "environment": {"type": "object", "additionalProperties": {"type": "string"}},
        "ports": {"type": "array", "items": {"type": "string", "pattern": r"^(127\.0\.0\.1:)?\d+:\d+$"}},
        "volumes": {"type": "array", "items": {"type": "string", "pattern": r"^[a-z]+:/[a-z/]+$"}},
        "restart": {"enum": ["no", "always", "on-failure", "unless-stopped"]},
        "stop_grace_period": DURATION,
        "init": {"type": "boolean"},
        "ulimits": {"type": "object"},
        "healthcheck": HEALTH,
        "depends_on": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "required": ["condition"],
                "properties": {"condition": WAITED_FOR},
            },
        },
    },
}
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["services", "volumes"],
    "patternProperties": {"^x-": {}},
    "properties": {
        "name": {"type": "string"},
        "services": {"type": "object", "additionalProperties": SERVICE},
        "volumes": {"type": "object", "additionalProperties": {"type": "object", "maxProperties": 0}},
    },
}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return found


def test_the_compose_file_has_the_structure_of_one(compose: dict[str, Any]) -> None:
    jsonschema.validate(compose, SCHEMA)


def test_it_runs_both_servers_and_each_part_of_ours(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {"redpanda", "clickhouse", *OURS}


def test_every_service_that_stays_has_a_health_check(compose: dict[str, Any]) -> None:
    assert [name for name, service in compose["services"].items() if "healthcheck" not in service] == ["migrate"]


def test_every_setting_in_it_exists_and_settings_accept_them(compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OURS:
        given = compose["services"][name]["environment"]
        assert set(given) <= set(settings_fields()), name
        with monkeypatch.context() as place:
            for setting, value in given.items():
                place.setenv(setting, value)
            settings = Settings()
        assert settings.log.brokers == "redpanda:9092"
        assert settings.store.dsn.startswith("clickhouse://")
        assert settings.data == Path("/var/lib/varve")


def test_each_part_of_ours_runs_a_command_that_exists(compose: dict[str, Any]) -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    assert [name for name in OURS if compose["services"][name]["command"][0] not in commands] == []


def test_one_image_serves_all_of_ours(compose: dict[str, Any]) -> None:
    assert len({compose["services"][name]["image"] for name in OURS}) == 1
    assert all((ROOT / compose["services"][name]["build"]["dockerfile"]).is_file() for name in OURS)


def test_what_a_part_waits_for_and_mounts_is_there(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for name, service in services.items():
        for other, wait in service.get("depends_on", {}).items():
            assert other in services, name
            assert wait["condition"] != "service_healthy" or "healthcheck" in services[other], name
        assert {volume.split(":")[0] for volume in service.get("volumes", [])} <= set(compose["volumes"]), name


def test_no_password_stands_in_the_file(compose: dict[str, Any]) -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    assert all(found.startswith("${VARVE_STORE_PASSWORD:?") for found in re.findall(r"CLICKHOUSE_PASSWORD: (\S+)", text))
    assert re.findall(r"clickhouse://varve:([^@]*)@", text) == ["${VARVE_STORE_PASSWORD:?choose a password}"]


def test_the_image_is_pinned_built_from_the_lock_and_runs_without_root() -> None:
    lines = (ROOT / "deploy" / "Dockerfile").read_text().splitlines()
    assert all(re.match(r"FROM python:3\.\d+\.\d+-", line) for line in lines if line.startswith("FROM"))
    assert sum("--require-hashes" in line for line in lines) == 2
    assert lines.index("USER varve") < next(number for number, line in enumerate(lines) if line.startswith("ENTRYPOINT"))
    sources = {word for line in lines if line.startswith("COPY") and "--from" not in line for word in line.split()[1:-1]}
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert {"varve", "streams", "sink", "api"} <= sources
