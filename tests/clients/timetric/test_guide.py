"""Timetric's own client through every call of its guide: as it was published where a Python 2.7 is at hand, and ported to this Python."""

import hashlib
import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from tests.clients.conftest import Known
from tests.clients.tempodb.real_clients import python_2
from tests.conftest import VarveUp

pytestmark = pytest.mark.slow
SHA256 = "52aff270fa4177c6e3860eebfe1328c30182a641391108252ab36290808aa6f4"
NEEDS = {
    "published": ("httplib2==0.22.0", "simplejson", "python-dateutil", "oauth"),
    "ported": ("httplib2", "simplejson", "python-dateutil"),
}
BY_HAND = {  # what fissix cannot know: bytes and text
    '"%(apitoken_key)s:%(apitoken_secret)s" %\n                             self.__dict__)': (
        '("%(apitoken_key)s:%(apitoken_secret)s" %\n                             self.__dict__).encode()).decode()'
    ),
    "        return body\n": "        return body.decode()\n",
}
SESSION = Path(__file__).with_name("session.py")
CONFIG = {
    "apitoken": {"authtype": "apitoken", "apitoken_key": "k", "apitoken_secret": "s"},
    "oauth": {"authtype": "oauth", "consumer_key": "c", "consumer_secret": "cs", "oauth_token": "t", "oauth_secret": "ts"},
}
GUIDE = {
    "empty": [],
    "created": [[1236735000.0, 1.0], [1236735001.25, 2.5], [1236735002.0, 3.0]],
    "latest": [1236735002.0, 3.0],
    "pairs": [[1236735000.0, 1.0], [1236735001.25, 7.0], [1236735002.0, 3.0], [1236735009.0, 8.0]],
    "file": [[1236735010.0, 9.0], [1236735011.5, 10.0]],
    "rewritten": [[5.0, 1.0], [6.0, 2.0]],
    "value": 14,
    "counted": [18.0, 5],
    "cleared": [],
    "refused": "Failed to fetch latest value: HTTP 404",
}


def unpacked(folder: Path) -> Path:
    run(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest", str(folder), "timetric==1.3")
    archive = folder / "timetric-1.3.tar.gz"
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == SHA256, "timetric-1.3.tar.gz is not the file that is known"
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return folder / "timetric-1.3"


def run(*command: str, **environment: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env=environment or None, timeout=120)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module", params=["published", "ported"])
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The interpreter's command, and the folder that holds the client and what it needs."""
    form = str(request.param)
    python = sys.executable if form == "ported" else python_2()
    if python is None:
        pytest.skip("no Python 2.7 here: the client as published cannot start")
    source = unpacked(tmp_path_factory.mktemp(f"timetric-{form}"))
    run(python, "-m", "pip", "install", "--quiet", "--target", str(source), *NEEDS[form])
    if form == "ported":
        run(sys.executable, "-m", "fissix", "--write", "--nobackups", "--no-diffs", str(source / "timetric"))
        room = source / "timetric" / "__init__.py"
        for before, after in BY_HAND.items():
            assert before in room.read_text(), f"{room} is not the file that is known"
            room.write_text(room.read_text().replace(before, after))
    return python, source


def played(client: tuple[str, Path], url: str, config: dict[str, str], *agreement: str) -> dict[str, Any]:
    python, source = client
    if config["authtype"] == "oauth" and python == sys.executable:
        pytest.skip("the package oauth is for Python 2 alone")
    found: dict[str, Any] = json.loads(
        run(python, "-W", "ignore", str(SESSION), url, json.dumps(config), *agreement, PYTHONPATH=str(source))
    )
    return found


@pytest.mark.parametrize("authtype", ["apitoken", "oauth"])
def test_every_call_of_the_guide_gives_what_it_says(client: tuple[str, Path], authtype: str, running_varve: VarveUp) -> None:
    assert played(client, running_varve.url, CONFIG[authtype]) == GUIDE


@pytest.mark.parametrize("authtype", ["apitoken", "oauth"])
def test_every_call_is_signed_where_access_is_on(client: tuple[str, Path], authtype: str, known: Known) -> None:
    """The secret of the API token is the user's key; OAuth's credentials are asked for by it."""
    given = httpx.get(f"{known.url}/api/v1/me/oauth1", headers={"X-API-Key": known.key}, timeout=30).json()
    config = CONFIG[authtype] | {name: given[name] for name in given if authtype == "oauth"} | {"apitoken_secret": known.key}
    assert played(client, known.url, config) == GUIDE


def test_the_guides_oauth_setup_leads_to_a_token(client: tuple[str, Path], known: Known) -> None:
    given = httpx.get(f"{known.url}/api/v1/me/oauth1", headers={"X-API-Key": known.key}, timeout=30).json()
    config = {"authtype": "oauth"} | {name: given[name] for name in ("consumer_key", "consumer_secret")}
    assert played(client, known.url, config, urlencode({"email": known.email, "password": known.password})) == GUIDE


def test_the_guides_oauth_setup_succeeds_while_access_is_off(client: tuple[str, Path], running_varve: VarveUp) -> None:
    assert played(client, running_varve.url, {"authtype": "oauth", "consumer_key": "c", "consumer_secret": "cs"}, "x=y") == GUIDE
