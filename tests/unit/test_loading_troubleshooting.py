"""The table Troubleshooting of the guide: what it tells a person to look at is provoked, and the message names it.

Of its rows two are a task's and a log-in's own (no schedule, a wrong password): tests of the runner and of access provoke these.
"""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from streams.loading.chunks import Chunk
from streams.loading.fetch import Limits, fetch
from streams.loading.placeholders import filled
from streams.loading.reading import read
from streams.loading.specs import Source, source_of
from streams.loading.tally import Tally, rows_of
from tests.unit.test_loading_fetch import saying, serving
from varve.errors import Forbidden, Incorrect

CSV = "Timestamp,Temperature,Humidity\n2024-01-15 08:30:00,22.5,40\n2024-01-15 09:30:00,22.8,41\n"
JSON = '{"data": [{"datetime": "2024-01-01T00:00:00Z", "temperature": 22.5}]}'


def source(**fields: Any) -> Source:
    return source_of({"url": "https://api.example.com/readings.csv", "timestamp_key": "Timestamp", **fields})


def said(path: Path, text: str, wanted: Source, *columns: str) -> str:
    path.write_text(text)
    with pytest.raises(Incorrect) as refusal:
        list(read(path, wanted, columns))
    return refusal.value.message


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "source"


def test_task_runs_but_no_observations_are_loaded(path: Path) -> None:
    """source_identifier must match a header exactly; names are case-sensitive."""
    there = "it has: Timestamp, Temperature, Humidity"
    assert said(path, CSV, source(), "Temprature") == f"column 'Temprature' is not in the source; {there}"
    assert said(path, CSV, source(), "temperature") == f"column 'temperature' is not in the source; {there}"
    fields = source(payload="JSON", jmespath="data[*]", timestamp_key="datetime")
    assert said(path, JSON, fields, "Temperature") == "field 'Temperature' is not in the records; they have: datetime, temperature"


def test_json_task_loads_no_records(path: Path) -> None:
    """jmespath must select the list of records."""
    fields = {"payload": "JSON", "timestamp_key": "datetime"}
    nothing = said(path, JSON, source(jmespath="records[*]", **fields), "temperature")
    assert nothing == "jmespath 'records[*]' selects nothing in the document; the document has: data"
    assert "selects a list with text in it: records must be objects" in said(path, JSON, source(jmespath="data[*].datetime", **fields), "t")
    with pytest.raises(Incorrect, match="try it at jmespath.org"):
        source(jmespath="data[*", **fields)


def test_timestamps_are_shifted_by_several_hours(path: Path) -> None:
    """Times that name no zone are read as UTC where none is set, and the run says so."""
    path.write_text(CSV)
    chunks = list(read(path, source(), ["Temperature"]))
    assert told(chunks).endswith(
        " 2 time(s) name no timezone and were read as UTC: set timezone_type and timezone if they are local times."
    )
    for silent in ({"timezone_type": "utc"}, {"timezone_type": "iana", "timezone": "America/Denver"}):
        assert "timezone" not in told(list(read(path, source(**silent), ["Temperature"])))
    path.write_text(CSV.replace(":00,", ":00-07,"))
    assert "timezone" not in told(list(read(path, source(), ["Temperature"])))


def told(chunks: list[Chunk]) -> str:
    tally = Tally()
    for chunk in chunks:
        list(rows_of(chunk, [], {}, tally))
    return tally.message()


def test_timestamps_fail_to_parse(path: Path) -> None:
    """timestamp_key and timestamp_format."""
    assert said(path, CSV, source(timestamp_key="Time"), "Humidity").startswith("column 'Time' is not in the source; it has: Timestamp,")
    for fields, words in (
        ({"timestamp_format": "%m/%d/%Y %H:%M"}, "'2024-01-15 08:30:00' does not match timestamp_format '%m/%d/%Y %H:%M'"),
        ({"timestamp_key": "Temperature"}, "'22.5' is no ISO 8601 time"),
    ):
        message = said(path, CSV, source(**fields), "Humidity")
        assert f"no row of the source has a time that can be read: line 2: {words}" in message
        assert message.endswith("Check timestamp_key and timestamp_format")


def test_url_placeholder_is_not_being_filled_in() -> None:
    """Every {name} needs an entry in placeholder_variables."""
    with pytest.raises(Incorrect, match="the address has {start_date}, but no placeholder variable of that name; there are none"):
        filled(source(url="https://e.org/?start={start_date}"), {}, {})


def test_task_variables_is_missing_the_key_of_a_per_task_placeholder() -> None:
    station = {"name": "station_id", "type": "per_task"}
    with pytest.raises(Incorrect, match="the task's variables lack 'station_id'; they have: station"):
        filled(source(url="https://e.org/{station_id}", placeholders=[station]), {"station": "42"}, {})


def test_authentication_error_of_the_source(path: Path) -> None:
    async def run() -> None:
        async with serving(saying(b"", "401 Unauthorized")) as served:
            await fetch(served.url, ("Authorization", "Bearer wrong"), path, Limits(allow_private=True))

    with pytest.raises(Forbidden, match=r"refused the log-in \(401 Unauthorized\): look at the connection's authentication header"):
        asyncio.run(run())
