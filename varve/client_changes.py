"""What the client takes away or adds to: increments of one cell, of the latest value, deletions, rewrites, purges.

Before: varve/client.py. After: client_http.py. Each request carries a key, so that a retry counts once (I3).
"""

import uuid
from typing import Any

from varve.client_frames import Missing, tables_of
from varve.client_http import Line, Params
from varve.client_uploads import Wait, Written
from varve.client_words import Name, instant_text, path_name
from varve.errors import Incorrect
from varve.series import series_id


def increment_at(line: Line, series: Name, valid_time: Any, amount: float, changed_by: str | None, key: str | None) -> float:
    body = {"valid_time": [instant_text(valid_time, "valid_time")], "value": [amount]}
    params = {"return": "value", "changed_by": changed_by}
    answer = line.write("POST", f"/api/v1/series/{path_name(series)}/increments", body, params, key)
    return float(answer["values"][0]["value"])


def increment_latest(line: Line, series: Name, amount: float, changed_by: str | None, key: str | None) -> dict[str, Any]:
    body = {"amount": amount} | ({"changed_by": changed_by} if changed_by else {})
    answer: dict[str, Any] = line.write("POST", f"/api/v1/series/{path_name(series)}/latest/increment", body, key=key)
    return answer


def delete_points(line: Line, series: Name, start: Any, until: Any, everything: bool, params: Params, key: str | None) -> None:
    given = (start is not None) + (until is not None)
    if given != (0 if everything else 2):
        raise Incorrect("range-missing", "say start and until, the span to delete, or everything=True to delete all that the series holds")
    span = {"all": "true"} if everything else {"from": instant_text(start, "start"), "until": instant_text(until, "until")}
    known = instant_text(params.get("known_time"), "known_time")
    line.write("DELETE", f"/api/v1/series/{path_name(series)}/points", None, {**params, **span, "known_time": known}, key)


def delete_series(line: Line, series: Name, tenant: uuid.UUID, changed_by: str | None, key: str | None) -> None:
    # by key the path of such a series would be that of another one's points
    named = series_id(tenant, series) if isinstance(series, str) and series.endswith("/points") else series
    line.write("DELETE", f"/api/v1/series/{path_name(named)}", None, {"changed_by": changed_by}, key)


def rewrite(line: Line, series: Name, values: Any, params: Params, missing: Missing | None, wait: Wait, key: str | None) -> Written:
    tables = tables_of(values, str(series), missing)
    rows = sum(table.num_rows for table in tables)
    if len(tables) != 1 or not rows:
        raise Incorrect(
            "values-unknown", "a rewrite writes rows of one series: give a Series, or a frame with a column value; delete() clears"
        )
    body = tables[0].drop_columns(["series"])
    answer = line.write("PUT", f"/api/v1/series/{path_name(series)}/points", body, {**params, "wait": wait}, key)
    return Written(rows, str(answer["token"]))


def purge(line: Line, series: Name, start: Any, until: Any, dry_run: bool, changed_by: str | None, key: str | None) -> int:
    """Counted first: a repetition of what is erased finds nothing to count."""
    body: dict[str, Any] = {"series_id": str(series)} if isinstance(series, uuid.UUID) else {"series": series}
    body |= {name: instant_text(given, name) for name, given in (("from", start), ("until", until)) if given is not None}
    rows = int(line.write("POST", "/api/v1/purges", {**body, "dry_run": True})["rows"])
    if not dry_run:
        line.write("POST", "/api/v1/purges", body | ({"changed_by": changed_by} if changed_by else {}), key=key)
    return rows
