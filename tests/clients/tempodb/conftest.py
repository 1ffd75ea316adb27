"""A TempoDB client of each generation in front of the running server: ported to this Python, and as it was published where a
Python 2.7 is at hand."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clients.tempodb.real_clients import Client, ported, python_2, start, unchanged
from tests.conftest import VarveUp

Sources = Callable[[str, str], tuple[str, Path]]


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    """sources(generation, form): the interpreter's command and the client's folder; each is made once."""
    made: dict[tuple[str, str], tuple[str, Path]] = {}

    def source(generation: str, form: str) -> tuple[str, Path]:
        if (generation, form) not in made:
            folder = tmp_path_factory.mktemp(f"tempodb-{generation}-{form}")
            python = sys.executable if form == "ported" else python_2()
            if python is None:
                pytest.skip("no Python 2.7 here: the client as published cannot start")
            made[(generation, form)] = (python, ported(generation, folder) if form == "ported" else unchanged(generation, folder))
        return made[(generation, form)]

    return source


@pytest.fixture(scope="module", params=["ported", "unchanged"])
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def first(sources: Sources, form: str, running_varve: VarveUp) -> Iterator[Client]:
    """tempodb 0.5.0"""
    client = start(*sources("0.5.0", form), "0.5.0", running_varve.url)
    yield client
    client.stop()


@pytest.fixture(scope="module")
def second(sources: Sources, form: str, running_varve: VarveUp) -> Iterator[Client]:
    """tempodb 1.0.1"""
    client = start(*sources("1.0.1", form), "1.0.1", running_varve.url)
    yield client
    client.stop()
