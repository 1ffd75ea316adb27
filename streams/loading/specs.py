"""What a load needs to know: where its source is, how to read it, which of its columns go to which series.

Before: a data connection and a task (api/doors/hydroserver), or the command line, say it. After: fetch.py, placeholders.py and reading.py
do it. What is said wrong is refused here, in words, before anything is fetched.
"""

import uuid
from collections.abc import Mapping as Fields
from typing import Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import jmespath
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from streams.loading.encodings import known
from streams.loading.time_format import offset_seconds, pattern_of
from varve.errors import Incorrect

Payload = Literal["CSV", "JSON"]
Delimiter = Literal[",", "|", "\t", ";", " "]
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|", "space": " ", "\\t": "\t"}  # by name
TimezoneType = Literal["utc", "offset", "iana"]
PlaceholderType = Literal["run_time", "latest_observation_timestamp", "per_task", "window_start", "window_end"]


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Placeholder(_Spec):
    """How {name} in the address is filled; timestamp_format: of an instant, in strftime's words."""

    name: str = Field(min_length=1)
    type: PlaceholderType
    timestamp_format: str | None = None


class Mapping(_Spec):
    """source_identifier: a column's header or, where there are no headers, its number from 1; of JSON, a field's name."""

    source_identifier: str
    series_id: uuid.UUID


class Writing(_Spec):
    """How a source writes numbers. no_data: words for a reading that is none; one that is a number means it however it is written."""

    decimal_point: Literal[".", ","] = "."
    no_data: tuple[str, ...] = ()


class Source(Writing):
    """timezone_type: of times that name no offset themselves; None reads those as UTC. Rows are counted from 1.

    header_row None: 1 where timestamp_key is a name; where it is a number, columns are known by their numbers. encoding None: UTF-8.
    """

    url: str
    header_name: str | None = None
    header_value: str | None = None
    payload: Payload = "CSV"
    timestamp_key: str
    timestamp_format: str | None = None
    timezone_type: TimezoneType | None = None
    timezone: str | None = None
    header_row: int | None = Field(None, ge=1)
    data_start_row: int | None = Field(None, ge=1)
    delimiter: Delimiter = ","
    jmespath: str | None = None
    encoding: str | None = None
    placeholders: tuple[Placeholder, ...] = ()

    @model_validator(mode="after")
    def _readable(self) -> Self:
        _refuse_timezone(self.timezone_type, self.timezone)
        if self.header_row and self.data_start_row and self.data_start_row <= self.header_row:
            raise ValueError(f"data_start_row is {self.data_start_row}, but row {self.header_row} holds the headers: data start below it")
        if self.decimal_point == self.delimiter and self.payload == "CSV":
            raise ValueError("decimal_point is ',' and so is the delimiter: which of the two is another, such as ';'?")
        if self.payload == "JSON" and (self.encoding is not None or self.decimal_point != "."):
            raise ValueError("encoding and decimal_point are for CSV: JSON is UTF-8 and its numbers have a point")
        if self.encoding is not None and known(self.encoding) is None:
            raise ValueError(f"encoding '{self.encoding}' is not known here: one is called windows-1252, utf-16 or latin-1, for instance")
        if self.timestamp_format:
            pattern_of(self.timestamp_format)
        if self.jmespath is not None:
            try:
                jmespath.compile(self.jmespath)
            except (jmespath.exceptions.JMESPathError, ValueError) as reason:
                words = str(reason).strip().splitlines()[0]
                raise ValueError(f"jmespath '{self.jmespath}' is no JMESPath expression ({words}): try it at jmespath.org") from None
        return self

    @property
    def numbered(self) -> bool:
        """Whether columns are known by their numbers from 1."""
        return self.header_row is None and self.timestamp_key.isdigit()

    @property
    def headers_at(self) -> int:
        """The row of the headers; 0 where there are none."""
        return 0 if self.numbered else self.header_row or 1

    @property
    def rows_from(self) -> int:
        """The first row that is a reading."""
        return max(self.data_start_row or 1, self.headers_at + 1)


def source_of(fields: Fields[str, Any]) -> Source:
    """Incorrect in words for who wrote the fields."""
    try:
        return Source(**fields)
    except ValidationError as refusal:
        raise Incorrect("source-incorrect", "; ".join(_words(one) for one in refusal.errors())) from None


def _refuse_timezone(kind: TimezoneType | None, zone: str | None) -> None:
    if kind in ("offset", "iana") and not zone:
        example = "-0700" if kind == "offset" else "America/Denver"
        raise ValueError(f"timezone is missing: timezone_type '{kind}' needs one, such as {example}")
    if kind is None and zone:
        raise ValueError(f"timezone is '{zone}', but timezone_type is not set: set it to 'iana' or 'offset'")
    if kind == "offset" and offset_seconds(zone or "") is None:
        raise ValueError(f"timezone '{zone}' is no offset from UTC: write it as -0700, -07:00 or -07, up to 14 hours")
    if kind == "iana":
        try:
            ZoneInfo(zone or "")
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"timezone '{zone}' is no IANA time zone: one is called America/Denver, for instance") from None


def _words(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"])
    said = str(error["msg"]).removeprefix("Value error, ")
    return f"{where}: {said}" if where else said
