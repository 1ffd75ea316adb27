"""Addresses with placeholders: what fills them, how it is written there, and what is missing, in words."""

from typing import Any

import pytest

from streams.loading.placeholders import filled, refuse_missing, unused
from streams.loading.specs import PlaceholderType, Source, source_of
from varve.errors import Incorrect
from varve.instants import parse_instant

NOW = parse_instant("2024-06-01T12:30:15.25Z")
LATEST = parse_instant("2024-05-31T06:00:00Z")


def source(url: str, *placeholders: dict[str, Any], **fields: Any) -> Source:
    return source_of({"url": url, "timestamp_key": "Time", "placeholders": placeholders, **fields})


def start(**fields: Any) -> dict[str, Any]:
    return {"name": "start", "type": "latest_observation_timestamp", **fields}


def fill(wanted: Source, latest: int | None = LATEST, **variables: Any) -> str:
    instants: dict[PlaceholderType, int | None] = {"run_time": NOW, "latest_observation_timestamp": latest}
    return filled(wanted, variables, instants)


def test_each_kind_is_filled() -> None:
    wanted = source(
        "https://api.example.com/{station}/a.csv?from={start}&to={now}", {"name": "station", "type": "per_task"},
        start(timestamp_format="%Y-%m-%dT%H:%M:%S"), {"name": "now", "type": "run_time", "timestamp_format": "%Y%m%d"},
    )  # fmt: skip
    assert fill(wanted, station="42") == "https://api.example.com/42/a.csv?from=2024-05-31T06:00:00&to=20240601"


def test_where_nothing_was_observed_yet_all_is_asked_for() -> None:
    assert fill(source("https://e.org/?s={start}", start(timestamp_format="%Y-%m-%d")), None) == "https://e.org/?s=1970-01-01"


def test_instants_are_told_in_the_source_s_timezone_and_format() -> None:
    denver = {"timezone_type": "iana", "timezone": "America/Denver"}
    assert fill(source("https://e.org/?s={start}", start(), **denver)) == "https://e.org/?s=2024-05-31T00:00:00-06:00"
    assert (
        fill(source("https://e.org/?s={start}", start(), timestamp_format="%d/%m/%Y %H:%M", **denver))
        == "https://e.org/?s=31/05/2024%2000:00"
    )
    assert fill(source("https://e.org/?s={start}", start(timestamp_format="%H:%M %z"), timezone_type="offset", timezone="-07")).endswith(
        "?s=23:00%20-0700"
    )


def test_a_plus_stays_a_plus_and_a_value_adds_no_parameters() -> None:
    assert fill(source("https://e.org/?s={start}", start())) == "https://e.org/?s=2024-05-31T06:00:00%2B00:00"
    station = {"name": "station", "type": "per_task"}
    assert fill(source("https://e.org/?s={station}", station), station="a&b=c #d") == "https://e.org/?s=a%26b%3Dc%20%23d"
    assert fill(source("https://e.org/{station}/x", station), station="north/7 b?") == "https://e.org/north/7%20b%3F/x"
    assert fill(source("https://{station}.org/x", station), station="water.example") == "https://water.example.org/x"
    assert fill(source("{station}", station), station="https://e.org/a?b=c") == "https://e.org/a?b=c"


def test_a_brace_written_twice_is_a_brace() -> None:
    assert fill(source("https://e.org/?q={{a}}")) == "https://e.org/?q={a}"


@pytest.mark.parametrize(
    ("url", "placeholders", "variables", "words"),
    [
        ("https://e.org/{a}", [], {}, "the address has {a}, but no placeholder variable of that name; there are none"),
        ("https://e.org/{a}", [start()], {}, "the address has {a}, but no placeholder variable of that name; there are: start"),
        ("https://e.org/{a}", [{"name": "a", "type": "per_task"}], {}, "the task's variables lack 'a'; they are empty"),
        ("https://e.org/{a}", [{"name": "a", "type": "per_task"}], {"A": "1"}, "the task's variables lack 'a'; they have: A"),
        ("https://e.org/{a}", [{"name": "a", "type": "window_start"}], {}, "placeholder {a}: this load has no window_start"),
        ("https://e.org/{a", [], {}, "a placeholder is written {name}"),
        ("https://e.org/{}", [], {}, "a placeholder is written {name}"),
        ("https://e.org/{a.b}", [], {}, "a placeholder is written {name}"),
        ("https://e.org/{a!r:>9}", [], {}, "a placeholder is written {name}"),
    ],
)
def test_what_is_missing_is_told(url: str, placeholders: list[dict[str, Any]], variables: dict[str, str], words: str) -> None:
    with pytest.raises(Incorrect) as refusal:
        fill(source(url, *placeholders), LATEST, **variables)
    assert words in refusal.value.message


def test_a_connection_alone_is_not_asked_for_the_tasks_variables() -> None:
    refuse_missing(source("https://e.org/{a}", {"name": "a", "type": "per_task"}))


def test_what_was_said_for_nothing_is_told() -> None:
    assert unused(source("https://e.org/", start()), {"x": "1"}) == [
        "placeholder variable 'start' does not stand in the address",
        "task variable 'x' is no per_task placeholder",
    ]
