"""How a series is named in a path or a query: its id, or key:<its key>. Pure."""

import uuid

from varve.errors import Incorrect
from varve.instants import parse_instant
from varve.series import series_id

YEAR_DIGITS = 4  # 2025 is a year, more digits are nanoseconds


def id_of(tenant: uuid.UUID, text: str) -> uuid.UUID:
    """temperature by key is key:temperature; anything else is an id."""
    if text.startswith("key:"):
        if len(text) == len("key:"):
            raise Incorrect("series-name", "key: names no series; send key:<the series' key>")
        return series_id(tenant, text.removeprefix("key:"))
    return uuid_of(text, "series")


def uuid_of(text: str, what: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise Incorrect(
            f"{what}-name", f"{what}: '{text[:80]}' is not a UUID" + ("; name it by key as key:<key>" if what == "series" else "")
        ) from None


def instant_of(name: str, text: str) -> int:
    """Of a query: nanoseconds since 1970, or ISO 8601, whose + the address line makes a space of."""
    number = text.removeprefix("-")
    return parse_instant(int(text) if number.isdecimal() and len(number) > YEAR_DIGITS else text.replace(" ", "+"), where=name)


def bound_of(name: str, text: str | None) -> int | None:
    """As instant_of, where it was said."""
    return None if text is None else instant_of(name, text)


def column_of(text: str) -> dict[str, str]:
    """The column that names this series for all rows of a body."""
    if text.startswith("key:"):
        return {"series": text.removeprefix("key:")}
    return {"series_id": str(uuid_of(text, "series"))}
