"""The Python client: pandas in and out, Arrow on the wire, over the native HTTP API.

Before: notebooks, scripts, the demo. After: client_frames.py makes bodies and frames, client_http.py moves them.
pandas is imported only where a frame is made; a write that is retried counts once (I3).
"""

import uuid
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, Self

import httpx
import pyarrow as pa

from varve import client_changes as changes
from varve import client_live as following
from varve.client_frames import Missing, frame_of, named, rolled, series_of, wide_of
from varve.client_http import Params, Retries, line_to
from varve.client_live import EventsPage, Told
from varve.client_progress import transfer
from varve.client_uploads import Run, Upload, Wait, Written, named_values, upload
from varve.client_words import (
    KEEP,
    Kept,
    Name,
    asked_of,
    bounds_of,
    fields_given,
    instant_text,
    named_series,
    pairs_of,
    path_name,
    selections,
)
from varve.clock import new_id
from varve.errors import Incorrect

if TYPE_CHECKING:
    import pandas as pd

PAGE_SHOWN_ROWS_MIN = 100_000
Shape = Literal["flat", "overlapping", "history", "relative"]


class Client:
    """client = Client("http://127.0.0.1:8000"); client.write("temperature", series); client.flat("temperature")"""

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        tenant: uuid.UUID | str | None = None,
        key: str | None = None,
        *,
        timeout_seconds: float = 120.0,
        retries: Retries | None = None,
        progress: bool | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """key: of the API, else VARVE_ACCESS__KEY; progress: None shows bars on a terminal; transport: for tests and proxies."""
        self._line = line_to(url, tenant, key, timeout_seconds=timeout_seconds, retries=retries, transport=transport)
        self._progress = progress

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._line.close()

    @property
    def tenant(self) -> uuid.UUID:
        return self._line.tenant

    @property
    def token(self) -> str | None:
        """Covers every write of this client; hand it to another client's after=."""
        return self._line.token

    def create(
        self,
        key: str | None = None,
        *,
        value_type: Literal["number", "bool", "text"] | None = None,
        name: str | None = None,
        description: str | None = None,
        unit: str | None = None,
        tags: Sequence[str] | None = None,
        attributes: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> uuid.UUID:
        """Make a series, or set what is given on the one that has this key; its id."""
        given: dict[str, Any] = {"key": key, "value_type": value_type, "name": name, "description": description, "unit": unit}
        given |= {"tags": tags, "attributes": attributes, "labels": labels}
        made = self._line.write("POST", "/api/v1/series", {field: one for field, one in given.items() if one is not None})
        return uuid.UUID(made["series_id"])

    def describe(
        self,
        series: Name,
        *,
        name: str | Kept | None = KEEP,
        description: str | Kept | None = KEEP,
        unit: str | Kept | None = KEEP,
        tags: Sequence[str] | Kept | None = KEEP,
        attributes: Mapping[str, str] | Kept | None = KEEP,
        labels: Mapping[str, str] | Kept | None = KEEP,
    ) -> None:
        """Change how a series is described: what is given replaces, None clears, what is left out stays."""
        change = fields_given(name=name, description=description, unit=unit, tags=tags, attributes=attributes, labels=labels)
        self._line.write("PATCH", f"/api/v1/series/{path_name(series)}", change)

    def series(self, series: Name) -> dict[str, Any]:
        """How one series is described."""
        found: dict[str, Any] = self._line.get(f"/api/v1/series/{path_name(series)}", {"after": self.token})
        return found

    def find(
        self,
        *,
        prefix: str | None = None,
        name: str | None = None,
        unit: str | None = None,
        tags: Sequence[str] = (),
        attributes: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> list[dict[str, Any]]:
        """The series that match every filter, by key; prefix: how the key begins."""
        params = {"prefix": prefix, "name": name, "unit": unit, "tag": list(tags), "after": self.token, "limit": 10_000}
        params |= {"attribute": pairs_of(attributes), "label": pairs_of(labels)}
        return [dict(row) for row in self._line.listed("/api/v1/series", "series", params)]

    def live(
        self, series: Name | Sequence[Name] = (), *, prefix: str | None = None, unit: str | None = None, tags: Sequence[str] = (),
        attributes: Mapping[str, str] | None = None, labels: Mapping[str, str] | None = None, after: str | None = None,
    ) -> Generator[Told]:  # fmt: skip
        """What comes to these series as it becomes visible, without an end; without any, to all. after: a position's token."""
        named: dict[str, Any] = {} if series == () else self._one_question(series)
        named |= {"prefix": prefix, "unit": unit, "tag": list(tags), "attribute": pairs_of(attributes), "label": pairs_of(labels)}
        return following.live(self._line, named, after)

    def events(self, after: str | None = None) -> Iterator[EventsPage]:
        """The log's events of this tenant, oldest first within a partition, up to its end; after: the token of a page."""
        return following.events(self._line, after)

    def write(
        self,
        series: "str | uuid.UUID | pd.Series[Any] | pd.DataFrame | pa.Table",
        values: "pd.Series[Any] | pd.DataFrame | pa.Table | None" = None,
        *,
        known_time: Any = None,
        changed_by: str | None = None,
        missing: Missing | None = None,
        wait: Wait = "view",
        key: str | None = None,
        parallel: int = 1,
    ) -> Written:
        """Write points: write(key, values), or write(values) where a Series' name or a wide frame's columns are the keys.

        Times need a zone. A missing value is written as null from a Series and left out from a wide frame; `missing` says
        otherwise. key: repeat it with the same values and they count once. parallel: bodies sent at a time, for long tables
        in which no cell comes twice.
        """
        name, given = named_values(series, values)
        params = {"known_time": instant_text(known_time, "known_time"), "changed_by": changed_by}
        how = Upload("/api/v1/points", params, missing, wait, key or new_id().hex, parallel, self._progress)
        return upload(self._line, name, given, how)

    def increment(
        self,
        series: "str | uuid.UUID | pd.Series[Any] | pd.DataFrame | pa.Table",
        amounts: "pd.Series[Any] | pd.DataFrame | pa.Table | None" = None,
        *,
        known_time: Any = None,
        changed_by: str | None = None,
        wait: Wait = "view",
        key: str | None = None,
        parallel: int = 1,
    ) -> Written:
        """Add to what the cells hold, as write() takes values; a cell never set counts from 0."""
        name, given = named_values(series, amounts)
        params = {"known_time": instant_text(known_time, "known_time"), "changed_by": changed_by}
        how = Upload("/api/v1/increments", params, None, wait, key or new_id().hex, parallel, self._progress)
        return upload(self._line, name, given, how)

    def increment_at(
        self, series: Name, valid_time: Any, amount: float = 1.0, *, changed_by: str | None = None, key: str | None = None
    ) -> float:
        """Add to one cell; its value right after that, whoever else adds to it."""
        return changes.increment_at(self._line, series, valid_time, amount, changed_by, key)

    def increment_latest(
        self, series: Name, amount: float = 1.0, *, changed_by: str | None = None, key: str | None = None
    ) -> dict[str, Any]:
        """Write the latest value plus amount at a new instant; valid_time and value of it."""
        return changes.increment_latest(self._line, series, amount, changed_by, key)

    def rewrite(
        self,
        series: Name,
        values: "pd.Series[Any] | pd.DataFrame | pa.Table",
        *,
        known_time: Any = None,
        changed_by: str | None = None,
        missing: Missing | None = None,
        wait: Wait = "view",
        key: str | None = None,
    ) -> Written:
        """Hide what a series holds and write these values, in one: no read sees one without the other."""
        params = {"known_time": instant_text(known_time, "known_time"), "changed_by": changed_by}
        return changes.rewrite(self._line, series, values, params, missing, wait, key)

    def delete(
        self,
        series: Name,
        start: Any = None,
        until: Any = None,
        *,
        everything: bool = False,
        known_time: Any = None,
        changed_by: str | None = None,
        key: str | None = None,
    ) -> None:
        """Hide what a series holds in [start, until), or everything; as_of() and history() still show it."""
        changes.delete_points(self._line, series, start, until, everything, {"known_time": known_time, "changed_by": changed_by}, key)

    def delete_series(self, series: Name, *, changed_by: str | None = None, key: str | None = None) -> None:
        """Hide a series with all that it holds; a write or create() by its key makes it again, empty."""
        changes.delete_series(self._line, series, self.tenant, changed_by, key)

    def deletions(self, series: Name | Sequence[Name] | None = None) -> list[dict[str, Any]]:
        """What was deleted, rewritten or purged, of deleted series too."""
        ids = [] if series is None else [str(ident) for ident in named_series(series, self.tenant)]
        return [dict(row) for row in self._line.listed("/api/v1/deletions", "deletions", {"series_id": ids, "after": self.token})]

    def purge(
        self, series: Name, start: Any = None, until: Any = None, *, dry_run: bool = False, changed_by: str | None = None,
        key: str | None = None,
    ) -> int:  # fmt: skip
        """Erase rows from the tables for ever, how many; dry_run counts and erases nothing."""
        return changes.purge(self._line, series, start, until, dry_run, changed_by, key)

    def update(
        self,
        series: Name,
        valid_time: Any,
        *,
        value: float | bool | str | Kept | None = KEEP,
        annotation: str | Kept | None = KEEP,
        tags: Sequence[str] | Kept | None = KEEP,
        valid_time_end: Any = KEEP,
        run_id: uuid.UUID | str | None = None,
        changed_by: str | None = None,
        key: str | None = None,
    ) -> dict[str, Any]:
        """Correct one cell: what is given replaces, None clears, what is left out stays as it is."""
        change = fields_given(value=value, annotation=annotation, tags=tags)
        if valid_time_end is not KEEP:
            change["valid_time_end"] = instant_text(valid_time_end, "valid_time_end")
        if not change:
            raise Incorrect("nothing-to-change", "give value, annotation, tags or valid_time_end: what is left out stays as it is")
        row = {"valid_time": instant_text(valid_time, "valid_time"), **change}
        row |= {"series_id": str(series)} if isinstance(series, uuid.UUID) else {"series": series}
        row |= {"run_id": str(run_id)} if run_id else {}
        body = {"updates": [row]} | ({"changed_by": changed_by} if changed_by else {})
        answer: dict[str, Any] = self._line.write("PATCH", "/api/v1/points", body, key=key)
        return answer

    @contextmanager
    def run(
        self,
        workflow: str | None = None,
        *,
        known_time: Any = None,
        params: Mapping[str, Any] | None = None,
        changed_by: str | None = None,
        wait: Wait = "view",
        key: str | None = None,
    ) -> Iterator[Run]:
        """A run: one upload of many series, known at one time; sealed at the end, left open where the block fails."""
        key = key or new_id().hex
        body = {"workflow_id": workflow, "known_time": instant_text(known_time, "known_time"), "params": params, "changed_by": changed_by}
        made = self._line.write("POST", "/api/v1/runs", {name: one for name, one in body.items() if one is not None}, {"wait": wait}, key)
        opened = Run(self._line, uuid.UUID(made["run_id"]), key, self._progress)
        yield opened
        self._line.write("POST", f"/api/v1/runs/{opened.run_id}/seal", {"points": opened.rows}, {"wait": wait}, key)

    def runs(self, workflow: str | None = None) -> list[dict[str, Any]]:
        """Runs, newest first."""
        params = {"workflow_id": workflow, "after": self.token}
        return [dict(row) for row in self._line.listed("/api/v1/runs", "runs", params)]

    def wait_for(self, token: str | None = None) -> None:
        """Returns when every read shows what the token's write wrote (without one: all writes of this client)."""
        self._line.wait_for(token)

    def flat(self, series: Name | Sequence[Name], start: Any = None, until: Any = None, **bounds: Any) -> Any:
        """What is known of each valid_time in [start, until): a Series, or for a list of series a frame with a column each.

        bounds: as_of, as_of_recorded, known_from, known_until, run_id, after.
        """
        return self._values("flat", series, ("valid_time",), bounds_of(start, until, bounds))

    def as_of(
        self, series: Name | Sequence[Name], known: Any = None, recorded: Any = None, start: Any = None, until: Any = None, **bounds: Any
    ) -> Any:
        """flat as it was: by what was known at `known`, by what Varve had accepted at `recorded`, or both."""
        if known is None and recorded is None:
            raise Incorrect("as-of", "say as of when: known=, recorded= or both")
        return self.flat(series, start, until, **bounds, as_of=known, as_of_recorded=recorded)

    def overlapping(self, series: Name | Sequence[Name], start: Any = None, until: Any = None, **bounds: Any) -> Any:
        """Every forecast: values by (known_time, valid_time)."""
        return self._values("overlapping", series, ("known_time", "valid_time"), bounds_of(start, until, bounds))

    def relative(
        self,
        series: Name | Sequence[Name],
        start: Any = None,
        until: Any = None,
        *,
        before: timedelta | None = None,
        days_before: int | None = None,
        at: str | None = None,
        zone: str | None = None,
        **bounds: Any,
    ) -> Any:
        """What was known `before` each valid_time, or at a clock time days before: days_before=1, at="12:00", zone="Europe/Oslo"."""
        seconds = None if before is None else round(before.total_seconds())
        cut_off = {"before_seconds": seconds, "days_before": days_before, "at": at, "zone": zone}
        return self._values("relative", series, ("valid_time",), bounds_of(start, until, bounds) | cut_off)

    def history(self, series: Name | Sequence[Name], start: Any = None, until: Any = None, **bounds: Any) -> "pd.DataFrame":
        """Every layer of every cell, with the value that it led to, who wrote it and when."""
        return frame_of(self.table("history", series, **bounds_of(start, until, bounds)), ("valid_time",))

    def latest(self, series: Name | Sequence[Name], **bounds: Any) -> "pd.DataFrame":
        """The newest value of each series, a row each."""
        return frame_of(self._read("latest", series, bounds_of(None, None, bounds)), ("series",))

    def rollup(
        self,
        series: Name | Sequence[Name],
        start: Any,
        until: Any,
        *,
        period: str,
        functions: str | Sequence[str] = "mean",
        zone: str | None = None,
        fill: Literal["null", "zero", "previous", "linear"] | None = None,
        across: str | None = None,
        **bounds: Any,
    ) -> Any:
        """Aggregates by period ("1hour", "P1D", "auto") on a zone's clock: a Series; a frame for several series, functions or both.

        functions: mean, sum, min, max, count, median, p95...; across: one of them, to fold the series into one.
        """
        listed = [functions] if isinstance(functions, str) else list(functions)
        params = bounds_of(start, until, bounds) | {"period": period, "function": listed, "zone": zone, "fill": fill, "across": across}
        if across is not None:
            return rolled(self._read_whole("rollups", series, params), None, isinstance(functions, str))
        names = None if isinstance(series, str | uuid.UUID) else list(named_series(series, self.tenant).values())
        return rolled(self._read("rollups", series, params), names, isinstance(functions, str))

    def table(self, shape: Shape, series: Name | Sequence[Name], **params: Any) -> pa.Table:
        """The rows as one Arrow table; columns="valid_time,value,known_time,..." chooses; params as the API's."""
        return self._read(f"values/{shape}", series, params)

    def _values(self, shape: Shape, series: Name | Sequence[Name], index: Sequence[str], params: Mapping[str, Any]) -> Any:
        table, single = self._read(f"values/{shape}", series, params), isinstance(series, str | uuid.UUID)
        return series_of(table, str(series), index) if single else wide_of(table, list(named_series(series, self.tenant).values()), index)

    def _read_whole(self, path: str, series: Name | Sequence[Name], params: Params) -> pa.Table:
        """Of several series at once: they cannot be asked for one after the other."""
        pages = self._line.pages(f"/api/v1/{path}", {"after": self.token, **self._one_question(series), **params})
        return pa.concat_tables(list(pages), promote_options="permissive")

    def _one_question(self, series: Name | Sequence[Name]) -> dict[str, Any]:
        chosen = list(selections(named_series(series, self.tenant)))
        if len(chosen) > 1:
            raise Incorrect("too-many-series", "these are more names than one question holds: choose fewer series")
        return dict(chosen[0])

    def _read(self, path: str, series: Name | Sequence[Name], params: Params) -> pa.Table:
        """Every page of it; names are asked for in several questions where there are very many."""
        names = named_series(series, self.tenant)
        parts: list[pa.Table] = []
        for chosen in selections(names):
            pages = self._line.pages(f"/api/v1/{path}", {"after": self.token, **chosen, **params})
            some = [next(pages)]
            with transfer(f"reading {path}", None, self._progress if some[0].num_rows >= PAGE_SHOWN_ROWS_MIN else False) as advance:
                advance(some[0].num_rows)
                for page in pages:
                    some.append(page)
                    advance(page.num_rows)
            parts.append(named(pa.concat_tables(some, promote_options="permissive"), asked_of(names, chosen)))
        return parts[0] if len(parts) == 1 else pa.concat_tables(parts, promote_options="permissive").unify_dictionaries()
