"""TempoDB's words: what a series looks like, how errors read, the messages of its multistatus. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from api.errors import Wording, body_under

NO_VALUE = "Must provide a numeric value"
NO_SERIES = "Must provide a series ID or key"
NO_TIME = "Must provide a timestamp such as 2012-01-01T00:00:00"
MULTI_STATUS = 207


def series_json(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the series query as TempoDB's Series; one without a key is called by its id."""
    ident = str(row["series_id"]).replace("-", "")
    return {
        "id": ident, "key": row["key"] or ident, "name": row["name"] or "", "tags": row["tags"], "attributes": row["attributes"],
    }  # fmt: skip


def multistatus(messages: Mapping[int, Sequence[str]], count: int) -> bytes:
    """One entry an item, in their order; messages: of the items that were refused."""
    entries = [{"status": "422" if at in messages else "200", "messages": list(messages.get(at, ()))} for at in range(count)]
    return orjson.dumps({"multistatus": entries})


WORDING = Wording(owns=lambda path: path.startswith("/v1/"), body=body_under("error"), unknown=403)
