"""Times of sources: what datetime and zoneinfo say of each, ours says of the column; daylight-saving nights; what is refused, in words."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from streams.loading.specs import Source, source_of
from streams.loading.timestamps import Clock
from tests.cases import cases
from varve.errors import Incorrect
from varve.instants import format_instant, parse_instant

FORMATS = ("%Y-%m-%d %H:%M:%S", "%m/%d/%Y %I:%M %p", "%d.%m.%y %H:%M", "%Y-%m-%dT%H:%M:%S.%f", "%d %b %Y %H:%M:%S", "%B %d, %Y %I:%M:%S %p",
           "%Y%m%d%H%M%S", "%Y-%j %H:%M", "%Y-%m-%d", "%A %d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S%z", "%%%Y %m %d")  # fmt: skip
ZONES = ("America/Denver", "Europe/Oslo", "Australia/Lord_Howe", "Africa/Casablanca", "America/Sao_Paulo", "Asia/Kathmandu", "UTC")
moments = st.datetimes(datetime(1905, 1, 1), datetime(2200, 1, 1))  # noqa: DTZ001 - wall clocks


def source(**fields: object) -> Source:
    return source_of({"url": "http://example.com", "timestamp_key": "Time", **fields})


def read(texts: list[str | None], **fields: object) -> list[str]:
    """Each as an instant, or why not."""
    clock, column = Clock(source(**fields)), pa.array(texts, pa.string())
    found = clock.read(column)
    return [
        format_instant(int(found.utc[row])) if found.right[row] else clock.why(text, bool(found.skipped[row]))
        for row, text in enumerate(texts)
    ]


def denver(*texts: str) -> list[str]:
    return read([*texts], timezone_type="iana", timezone="America/Denver")


@settings(max_examples=cases(100), deadline=None)
@given(st.sampled_from(FORMATS), st.lists(moments, min_size=1, max_size=5))
def test_a_format_reads_what_strptime_reads(form: str, given_: list[datetime]) -> None:
    texts = [one.replace(tzinfo=UTC).strftime(form) for one in given_]
    meant = [datetime.strptime(text, form).replace(tzinfo=UTC) for text in texts]
    assert read([*texts], timestamp_format=form) == [format_instant(nanoseconds(one)) for one in meant]


@settings(max_examples=cases(200), deadline=None)
@given(st.sampled_from(FORMATS), moments, st.integers(0, 40), st.sampled_from("0123456789/: Ax"))
def test_a_text_with_one_wrong_letter_is_refused_as_strptime_refuses_it(form: str, moment: datetime, at: int, letter: str) -> None:
    text = moment.strftime(form)  # + and - may begin an offset
    text = text[: at % len(text)] + letter + text[at % len(text) + 1 :]
    try:
        meant = format_instant(nanoseconds(datetime.strptime(text.strip(), form).replace(tzinfo=UTC)))
    except ValueError:
        meant = f"'{text.strip()}' does not match timestamp_format '{form}', or is no such date or time"
    found = read([text], timestamp_format=form)[0]
    assert found == meant or "lies outside 1900-01-01" in found


@settings(max_examples=cases(100), deadline=None)
@given(st.sampled_from(ZONES), st.lists(moments, min_size=1, max_size=30), st.booleans())
def test_times_of_a_zone_are_what_zoneinfo_says(name: str, given_: list[datetime], formatted: bool) -> None:
    zone = ZoneInfo(name)
    walls = sorted({one.replace(microsecond=0, fold=0) for one in given_})
    assume(all(after - before > timedelta(hours=3) for before, after in pairwise(walls)))  # nothing is told by order
    form = "%d/%m/%Y %H:%M:%S" if formatted else None
    texts = [one.strftime(form) if form else one.isoformat() for one in walls]
    found = read([*texts], timezone_type="iana", timezone=name, timestamp_format=form)
    for wall, said in zip(walls, found, strict=True):
        instant = wall.replace(tzinfo=zone).astimezone(UTC)
        if instant.astimezone(zone).replace(tzinfo=None) != wall:
            assert "the clocks went forward over it" in said
        else:
            assert said == format_instant(nanoseconds(instant))


@settings(max_examples=cases(100), deadline=None)
@given(
    st.lists(st.tuples(moments, st.integers(-14, 14), st.sampled_from(["naive", "Z", "+HH", "+HHMM", "+HH:MM"])), min_size=1, max_size=9)
)
def test_an_embedded_offset_wins_over_the_source_s(given_: list[tuple[datetime, int, str]]) -> None:
    texts, meant = [], []
    for wall, hours, kind in given_:
        sign = f"{'-' if hours < 0 else '+'}{abs(hours):02d}"
        offset = {"naive": -7, "Z": 0}.get(kind, hours)
        texts.append(wall.isoformat() + {"naive": "", "Z": "Z", "+HH": sign, "+HHMM": sign + "00", "+HH:MM": sign + ":00"}[kind])
        meant.append(format_instant(nanoseconds(wall.replace(tzinfo=timezone(timedelta(hours=offset))))))
    assert read([*texts], timezone_type="offset", timezone="-0700") == meant


def nanoseconds(moment: datetime) -> int:
    span = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (span.days * 86_400 + span.seconds) * 10**9 + span.microseconds * 1000


def test_offsets_are_written_in_three_ways() -> None:
    for zone in ("-0700", "-07:00", "-07"):
        assert read(["2024-01-15 08:30"], timezone_type="offset", timezone=zone) == ["2024-01-15T15:30:00Z"]


def test_fractions_may_differ_from_row_to_row() -> None:
    texts = ["2024-01-15T08:30:00", "2024-01-15T08:30:00.5", "2024-01-15 08:30:00.123456789", "2024-01-15T08:30:00,25Z"]
    assert read([*texts]) == ["2024-01-15T08:30:00Z", "2024-01-15T08:30:00.5Z", "2024-01-15T08:30:00.123456789Z", "2024-01-15T08:30:00.25Z"]
    with_format = read(["2024-01-15 08:30:00", "2024-01-15 08:30:00.5"], timestamp_format="%Y-%m-%d %H:%M:%S.%f")
    assert with_format == ["2024-01-15T08:30:00Z", "2024-01-15T08:30:00.5Z"]


def test_a_day_may_have_a_space_before_it() -> None:
    assert read(["Jan  5 2024", "Jan 15 2024"], timestamp_format="%b %d %Y") == ["2024-01-05T00:00:00Z", "2024-01-15T00:00:00Z"]
    assert read(["1/ 5/2024"], timestamp_format="%m/%d/%Y") == ["2024-01-05T00:00:00Z"]


def test_a_format_that_ends_in_a_zone_names_it() -> None:
    zone = {"timezone_type": "iana", "timezone": "America/Denver"}
    assert read(["2024-01-15T08:30:00Z"], timestamp_format="%Y-%m-%dT%H:%M:%SZ", **zone) == ["2024-01-15T08:30:00Z"]
    assert read(["15/01/2024 08:30 -0300"], timestamp_format="%d/%m/%Y %H:%M", **zone) == ["2024-01-15T11:30:00Z"]
    assert read(["15 Jan 2024 08:30 MST"], timestamp_format="%d %b %Y %H:%M %Z") == ["2024-01-15T15:30:00Z"]


def test_the_doubled_hour_is_told_by_the_order_of_rows() -> None:
    halves = denver("2024-11-03 00:30", "2024-11-03 01:00", "2024-11-03 01:30", "2024-11-03 01:00", "2024-11-03 01:30", "2024-11-03 02:00")
    assert halves == [
        "2024-11-03T06:30:00Z", "2024-11-03T07:00:00Z", "2024-11-03T07:30:00Z", "2024-11-03T08:00:00Z", "2024-11-03T08:30:00Z",
        "2024-11-03T09:00:00Z",
    ]  # fmt: skip
    assert denver("2024-11-03 00:00", "2024-11-03 01:00", "2024-11-03 01:00", "2024-11-03 02:00") == [
        "2024-11-03T06:00:00Z", "2024-11-03T07:00:00Z", "2024-11-03T08:00:00Z", "2024-11-03T09:00:00Z",
    ]  # fmt: skip


def test_the_doubled_hour_of_a_source_that_begins_with_the_newest() -> None:
    assert denver("2024-11-03 02:00", "2024-11-03 01:30", "2024-11-03 01:00", "2024-11-03 01:30", "2024-11-03 01:00") == [
        "2024-11-03T09:00:00Z", "2024-11-03T08:30:00Z", "2024-11-03T08:00:00Z", "2024-11-03T07:30:00Z", "2024-11-03T07:00:00Z",
    ]  # fmt: skip


def test_where_the_order_does_not_tell_the_first_of_the_doubled_hour_is_taken() -> None:
    assert denver("2024-11-03 00:30", "2024-11-03 01:30", "2024-11-03 02:30")[1] == "2024-11-03T07:30:00Z"
    twice_each = denver("2024-11-03 01:00", "2024-11-03 01:00", "2024-11-03 01:30", "2024-11-03 01:30")  # two stations in turn
    assert twice_each == ["2024-11-03T07:00:00Z"] * 2 + ["2024-11-03T07:30:00Z"] * 2


def test_rows_of_the_doubled_hour_wait_for_those_that_tell() -> None:
    texts = [f"2024-11-03 {hour:02d}:{minute:02d}:00" for hour in (0, 1, 1, 2) for minute in range(60)]
    whole = denver(*texts)
    for cut in (1, 60, 61, 119, 120, 121, 179, 180, 181, 239):
        clock, found, held = (
            Clock(source(timezone_type="iana", timezone="America/Denver")),
            np.zeros(0, np.int64),
            pa.array([], pa.string()),
        )
        for piece in (texts[:cut], texts[cut:]):
            column = pa.concat_arrays([held, pa.array(piece)])
            count = clock.held(column) if piece[-1] != texts[-1] else 0
            ready, held = column.slice(0, len(column) - count), column.slice(len(column) - count)
            found = np.concatenate((found, clock.read(ready).utc))
        assert [format_instant(int(one)) for one in found] == whole


def test_a_time_that_the_clocks_skip_is_refused_with_the_reason() -> None:
    said = denver("2024-03-10 01:59:59", "2024-03-10 02:30", "2024-03-10 03:00")
    assert said[0] == "2024-03-10T08:59:59Z" and said[2] == "2024-03-10T09:00:00Z"
    assert said[1] == (
        "'2024-03-10 02:30' is no time in America/Denver: the clocks went forward over it. A logger that keeps one offset all year wants "
        "timezone_type 'offset', such as -0700"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "the time is missing"),
        ("  ", "the time is missing"),
        ("2024-02-30", "is no ISO 8601 time such as 2024-01-15T08:30:00Z"),
        ("01/15/2024 08:30", "set timestamp_format as it is written"),
        ("1850-01-01", "lies outside 1900-01-01 to 2262-04-11"),
        ("9999-12-31T00:00", "lies outside 1900-01-01 to 2262-04-11"),
        ("2024-01-15 08:30 +19:00", "is no ISO 8601 time"),
    ],
)
def test_what_is_no_time_is_told_in_words(text: str | None, words: str) -> None:
    assert words in read(["2024-01-15", text])[1]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"timestamp_format": "%m/%d"}, "must name the year"),
        ({"timestamp_format": "%Y %U"}, "%U cannot be read"),
        ({"timestamp_format": "%Y-%m-%d %H %I"}, "are both the hour"),
        ({"timestamp_format": "%Y-%m-%d %Y"}, "stands in it twice"),
        ({"timezone_type": "iana"}, "timezone is missing"),
        ({"timezone_type": "iana", "timezone": "Mars/Base"}, "no IANA time zone: one is called America/Denver, for instance"),
        ({"timezone_type": "offset", "timezone": "-7"}, "write it as -0700, -07:00 or -07"),
        ({"timezone_type": "offset", "timezone": "+1500"}, "up to 14 hours"),
        ({"timezone": "-0700"}, "timezone_type is not set"),
        ({"header_row": 3, "data_start_row": 3}, "data start below it"),
        ({"jmespath": "data[*"}, "try it at jmespath.org"),
        ({"delimiter": "#"}, "delimiter"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_words(fields: dict[str, object], words: str) -> None:
    with pytest.raises(Incorrect, match="^(?s:.)*" + words.replace("[", r"\[").replace("%", "%")):
        source(**fields)


def test_the_instants_are_exact_nanoseconds() -> None:
    found = Clock(source()).read(pa.array(["2024-01-15T08:30:00.000000001Z"]))
    assert int(found.utc[0]) == parse_instant("2024-01-15T08:30:00.000000001Z")
