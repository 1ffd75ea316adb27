"""hydroserverpy's guide to loading, block by block, by the unmodified client, against a real server, its real loader and a real source."""

from datetime import timedelta
from typing import Any

import pytest

from tests.clients.hydroserver.conftest import Play
from tests.clients.hydroserver.source import HOURS, START, Source

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
TIMES = [(START + timedelta(hours=hour)).isoformat() for hour in range(HOURS)]


def test_the_guide(play: Play, source: Source) -> None:
    told = play("guide")
    assert any(name.startswith("Guide ") for name in told["workspaces"])
    assert told["datastreams"] == ["Elsewhere", "Humidity", "Temperature"]
    assert told["notification"] == [["admin@example.com", "engineer@example.com"], "days"]
    assert told["placeholders"] == [["station_id", "per_task"], ["run_time", "run_time"]]
    assert told["schedules"] == [
        [None, 15, "minutes", True],
        [None, 6, "hours", True],
        [None, 1, "days", True],
        ["0 2 * * *", None, None, True],
    ]
    assert told["delayed"] == [True, True]
    _loaded(told)
    asked = [path for path in source.asked if path.startswith("/readings.csv?start=")]
    assert [one.partition("start=")[2].replace("%3A", ":") for one in asked[1:3]] == [TIMES[-1].removesuffix("+00:00")] * 2
    assert any(path.startswith("/station-42?as_of=20") for path in source.asked)
    assert any(path.startswith("/station-99?as_of=20") for path in source.asked)
    _managed(told, source)


def _loaded(told: dict[str, Any]) -> None:
    status, _, result = told["run"]
    assert (told["triggered"], status) == ("PENDING", "SUCCESS"), told["run"]
    assert result["rowsRead"] == HOURS
    assert result["valuesLoaded"] == 2 * HOURS
    assert told["loaded"]["warm"] == [[at, 20.0 + hour / 2] for hour, at in enumerate(TIMES)]
    assert told["loaded"]["damp"] == [[at, 60.0 - hour] for hour, at in enumerate(TIMES)]
    assert told["loaded"]["statistics"] == [HOURS, TIMES[0], TIMES[-1]]
    (again, _, result), count = told["again"]
    assert (again, result["valuesLoaded"], count) == ("SUCCESS", 0, HOURS)
    assert (told["history"], told["failed"], told["since"], told["single"]) == (True, 0, [2, 0], "SUCCESS")


def _managed(told: dict[str, Any], source: Source) -> None:
    assert told["connections"] == {"page": True, "all": True, "of workspace": 6, "kinds": [4, 2]}
    assert told["connection"] == ["My CSV Source", source.url + "/readings.csv?start={start_date}", "CSV"]
    assert told["changed"] == ["Updated Name", source.url + "/new-endpoint.csv?start={start_date}", 1]
    assert told["deleted"] == "404 "
    assert told["failing"][0] == "FAILURE"
    assert told["tasks"]["all"] >= told["tasks"]["of workspace"] == 8
    assert told["tasks"]["of connection"] == ["15-Minute Ingestion", "Daily Ingestion", "Nightly Ingestion", "Six-Hour Ingestion"]
    assert told["tasks"]["failed"] == ["Manual Ingestion"]
    assert told["tasks"]["successful"] == ["Hourly Temperature and Humidity", "Station 42 Temperature"]
    assert told["task"] == ["Station 42 Temperature", True, 1, "hours"]
    assert told["saved"] == ["Updated Task Name", "New description.", False, {"station_id": "station-99"}, ["Temperature"]]
    assert told["station"] == "SUCCESS"
    # 7 hours behind UTC in winter, 6 in summer
    assert told["mountain"] == ["SUCCESS", [["2024-01-15T15:30:00+00:00", 1.5], ["2024-07-15T14:30:00+00:00", 2.5]]]
    assert told["records"] == ["SUCCESS", HOURS]
    assert told["task deleted"] == "404 "


def test_what_goes_wrong_is_told_in_words(play: Play) -> None:
    told = play("trouble")
    words = {
        "column": "column 'Temprature' is not in the source; it has: Timestamp, Temperature, Humidity",
        "time key": "'When'",
        "time format": "%d/%m/%Y",
        "expression": "nothing[*]",
        "gone": "404",
        "key": "401",
    }
    for name, said in words.items():
        status, message, _, loaded = told[name]
        assert (status, loaded) == ("FAILURE", 0), told[name]
        assert said in message, told[name]
    status, _, result, loaded = told["rows"]
    assert (status, loaded) == ("SUCCESS", 1), told["rows"]
    assert {one["line"] for one in result["rejected"]} == {3, 4}, result
    if "with key" in told:
        assert [told["with key"][0], told["with key"][3], told["hidden"]] == ["SUCCESS", 1, True]
    for name in ("placeholder", "variable"):
        status, message, _ = told[name]
        assert status == "FAILURE"
        assert "station" in message, told[name]


def test_observations_are_written_and_read_in_every_way(play: Play) -> None:
    told = play("observations")
    at = [f"2024-{day}T{hour:02}:00:00+00:00" for day, hour in (("02-29", 23), *(("03-01", hour) for hour in range(6)))]
    assert told["twice"] == "409 Client Error: Duplicate phenomenonTime found on this datastream."
    assert told["early"] == "400 Client Error: All observations must occur after the datastream's end time for append mode"
    values = [0.0, 1.0, 2.5, -9999.0, 4.0, 5.0, 6.0]
    assert told["held"] == [list(pair) for pair in zip(at, values, strict=True)]
    assert told["paged"] == [1, 3, 3, 7, 7]
    assert (told["backwards"], told["part"]) == ([6.0], [2.5, -9999.0, 4.0])
    assert told["statistics"] == [7, at[0], at[-1]]
    assert told["synced"] == at[-1]
    assert told["frozen"] == [1, [3.0], [["ICE"]]]
    assert told["unknown"] == "400 Client Error: Invalid result qualifier codes: NO, NONE"
    values[3] = 3.0
    assert told["left"] == [list(pair) for pair in zip(at[:4], values[:4], strict=True)]
    assert told["statistics left"] == [4, at[0], at[3]]


def test_what_stands_around_a_datastream(play: Play) -> None:
    told = play("site")
    assert told["tags"] == {"basin": "Logan", "owner": "Utah State University"}
    assert told["thing"] == ["Renamed", {"basin": "Logan"}]
    assert told["by tag"] == ["Renamed"]
    assert told["datastream"] == ["°C", "Thermometer", "Renamed", -9999.0]
    assert told["key"] == [["Stream"], "403 ", "401 "]
    assert (told["wrong password"], told["wrong key"][:4]) == ("401 ", "401 ")
