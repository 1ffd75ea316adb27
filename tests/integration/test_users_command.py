"""`varve users` and `varve up` with access: users made before anything runs, and through the running server; kept over kill -9; and that a
server which asks nobody does not listen where others are."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.conftest import VarveUp, wait_until
from tests.integration.guarded_server import Guarded

pytestmark = pytest.mark.slow
ON = {"VARVE_ACCESS__ENABLED": "1"}


def varve(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "varve.cli", *words], env=os.environ | environment, capture_output=True, text=True, timeout=180
    )


def said(*words: str) -> str:
    done = varve(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def key_in(text: str) -> str:
    return next(line.split()[1] for line in text.splitlines() if line.startswith("key"))


def status(url: str, key: str) -> int:
    try:
        return httpx.get(f"{url}/api/v1/me", headers={"X-API-Key": key}, timeout=30).status_code
    except httpx.TransportError:
        return 0


def test_users_are_made_before_the_first_start_and_outlive_kills(tmp_path: Path, varve_up: Callable[..., VarveUp]) -> None:
    data = tmp_path / "varve-data"
    place = ("--data", str(data))
    assert "holds no log" in varve("users", "list", *place).stderr
    first = key_in(said("users", "create", "--email", "Maria@example.org", "--role", "admin", "--tenant", "meadow", *place))
    again = varve("users", "create", "--email", "maria@example.org", "--role", "read", "--tenant", "wood", *place)
    assert again.returncode == 78
    assert "an e-mail belongs to one tenant" in again.stderr
    second = key_in(said("users", "create", "--email", "olav@example.org", "--role", "read", *place))
    said("users", "deactivate", "--email", "olav@example.org", *place)

    up = varve_up(data=data, environment=ON)
    wait_until(lambda: status(up.url, first) == 200, 60, "the key that was made before the start is believed")
    assert [status(up.url, second), status(up.url, "varve_wrong")] == [401, 401]
    said("users", "activate", "--email", "olav@example.org", *place)
    assert status(up.url, second) == 200
    third = key_in(said("users", "regenerate-key", "--email", "olav@example.org", *place))
    assert [status(up.url, second), status(up.url, third)] == [401, 200]

    with httpx.Client(base_url=up.url, headers={"X-API-Key": first}, timeout=60) as http:
        http.post("/api/v1/points", json={"series": "a", "valid_time": "2025-01-01T00:00:00Z", "value": 1}).raise_for_status()
        tenant = http.get("/api/v1/me").json()["tenant"]
    assert "1 row(s) would be erased" in said("purge", "a", "--dry-run", "--tenant", tenant, *place)
    assert "is served" in said("generations", *place)

    for part in ("server", "worker"):
        os.kill(up.pid(part), signal.SIGKILL)
    said("users", "deactivate", "--email", "olav@example.org", *place)  # asked again until the server is back
    wait_until(lambda: status(up.url, first) == 200, 90, "the server is back")
    assert status(up.url, third) == 401

    up.stop()
    listed = said("users", "list", *place)
    assert [line.split()[:2] for line in listed.splitlines()] == [["maria@example.org", "admin"], ["olav@example.org", "read"]]
    assert ["inactive" in line for line in listed.splitlines()] == [False, True]
    assert "meadow" in said("tenants", "list", *place)
    assert not any(key.encode() in file.read_bytes() for key in (first, second, third) for file in data.rglob("*.log") if file.is_file())


def test_a_kept_generation_asks_for_keys_too_and_the_command_that_makes_it_has_one(
    tmp_path: Path, varve_up: Callable[..., VarveUp]
) -> None:
    data = tmp_path / "varve-data"
    up, place = varve_up(data=data, environment=ON), ("--data", str(data))
    keys = {
        name: key_in(said("users", "create", "--email", f"{name}@example.org", "--role", "write", "--tenant", tenant, *place))
        for name, tenant in (("maria", "meadow"), ("olav", "wood"))
    }
    with httpx.Client(base_url=up.url, timeout=60) as http:
        point = {"series": "a", "valid_time": "2025-01-01T00:00:00Z", "value": 1}
        written = http.post("/api/v1/points", json=point, headers={"X-API-Key": keys["maria"]})
        said("replay", "--until", written.json()["token"], "--name", "then", *place)
        past = "/generations/then/api/v1"
        asked = {name: http.get(f"{past}/values/flat?key=a", headers={"X-API-Key": key}) for name, key in keys.items()}
        assert [row["value"] for row in asked["maria"].json()["data"]] == [1], asked["maria"].text
        assert asked["olav"].status_code == 404  # nothing of another tenant's
        assert http.get(f"{past}/values/flat?key=a").status_code == 401
        assert http.post(f"{past}/points", json=point, headers={"X-API-Key": keys["maria"]}).status_code == 409


def test_another_machines_server_is_asked_by_its_secret_or_a_key_of_its_own(guarded: Guarded, tmp_path: Path) -> None:
    asked = ("users", "list", "--url", guarded.served.url, "--data", str(tmp_path))
    refused = varve(*asked)
    assert refused.returncode == 78
    assert "VARVE_ACCESS__SECRET" in refused.stderr
    assert not list(tmp_path.iterdir())
    secret = (guarded.served.data / "access.secret").read_text()
    assert "other@example.org" in varve(*asked, VARVE_ACCESS__SECRET=secret).stdout
    assert "other@example.org" not in varve(*asked, VARVE_ACCESS__KEY=guarded.keys["admin"]).stdout
    assert "invalid or inactive key" in varve(*asked, VARVE_ACCESS__SECRET="x" * 40).stderr


def test_a_server_that_asks_nobody_is_refused_where_others_are(tmp_path: Path) -> None:
    for command in ("up", "server"):
        refused = varve(command, "--data", str(tmp_path), "--host", "0.0.0.0", "--port", "0", VARVE_LOG__BROKERS="127.0.0.1:1")
        assert refused.returncode == 78, refused.stderr
        assert "VARVE_ACCESS__ENABLED=1" in refused.stderr
