"""hydroserverpy's calls of every resource but observations and loading, by both of its versions, unmodified."""

import pytest

from tests.clients.hydroserver.conftest import Play

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_every_resource_is_made_changed_found_and_deleted(play: Play) -> None:
    told = play("resources")
    assert told["changed"] == {
        "is_private": True, "elevation_m": 7.0, "sensor_model": "CS109", "observed_property_type": "Hydrology", "symbol": "K",
        "code": "SNOW", "is_visible": False,
    }  # fmt: skip
    found, both = told["found"], ["Other", "Stream"]
    for name in ("workspace", "all parts", "no status", "page by page"):
        assert found[name] == both, name
    for name in ("counted", "until", "from"):
        assert found[name] == ["Stream"], name
    assert (found["before"], found["private"], found["ordered"]) == ([], [], both[::-1])
    assert (found["near"], found["by thing"], found["everybody's"]) == (1, 1, [])
    assert told["end"]
    assert "datastreams use this unit" in told["used"]
    assert (told["left"], told["gone"]) == ([0, 0, 0, 1], "404 ")
