"""Timetric's own client through every call of its guide: as it was published where a Python 2.7 is at hand, and ported to this Python."""

import hashlib
import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

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


@pytest.mark.parametrize("authtype", ["apitoken", "oauth"])
def test_every_call_of_the_guide_gives_what_it_says(client: tuple[str, Path], authtype: str, running_varve: VarveUp) -> None:
    python, source = client
    if authtype == "oauth" and python == sys.executable:
        pytest.skip("the package oauth is for Python 2 alone")
    told: dict[str, Any] = json.loads(run(python, "-W", "ignore", str(SESSION), running_varve.url, authtype, PYTHONPATH=str(source)))
    assert told == {
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
