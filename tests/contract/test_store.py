"""What the store promises, shown for chDB in process and for a ClickHouse server where there is one: VARVE_TEST_CLICKHOUSE
(a DSN), else a container where Docker answers."""

import json
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pyarrow as pa
import pytest

from sink.queries.flat import FLAT
from sink.queries.layers import View
from sink.queries.outcomes import outcomes
from sink.queries.query import Query
from sink.queries.runs import RunSearch, runs
from sink.queries.selection import Selection
from sink.queries.series import SeriesSearch, series, value_types
from sink.store import Refused, Store
from streams.points import OUTCOMES, RUNS, SERIES, SERIES_FIELDS
from tests.conftest import free_port
from tests.store_rows import NO_RUN, layers_table, opened, rows_of
from varve.clock import SystemClock, new_id
from varve.errors import Conflict, Fault, Unavailable
from varve.instants import EARLIEST, LATEST
from varve.settings import Settings, StoreSettings

SERIES_ID = uuid.UUID("00112233-4455-6677-8899-aabbccddeeff")
YEAR = 366 * 86_400 * 10**9


@pytest.fixture(scope="module", params=["chdb", "server"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    prefix = f"t{new_id().hex}"
    if request.param == "chdb":
        yield from opened(tmp_path_factory.mktemp("store"), prefix=prefix)
    elif dsn := request.getfixturevalue("store_dsn"):
        yield from opened(tmp_path_factory.mktemp("unused"), dsn, prefix)
    else:
        pytest.skip("no ClickHouse server: set VARVE_TEST_CLICKHOUSE, or have Docker answer")


def layer(tenant: uuid.UUID, valid_time: int, value: float | None, **more: Any) -> dict[str, Any]:
    times = {"valid_time": valid_time, "known_time": 5, "recorded_time": 6}
    return {"tenant": tenant, "series_id": SERIES_ID, "version": 1, "partition": 0, "op": 0, "mask": 15, "value": value} | times | more


def table_of(schema: pa.Schema, *rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in rows], schema)


def test_an_id_keeps_its_bytes_both_ways(store: Store) -> None:
    tenant = new_id()
    store.insert("points", layers_table([layer(tenant, 0, 1.0, run_id=NO_RUN)]))
    query = Query(
        "SELECT series_id FROM points WHERE tenant = {tenant:UUID} AND series_id = {series:UUID}", {"tenant": tenant, "series": SERIES_ID}
    )
    assert store.arrow(query).column("series_id").to_pylist() == [SERIES_ID]
    assert store.raw(query, "CSV") == f'"{SERIES_ID}"\n'.encode()


def test_columns_that_are_left_out_take_their_defaults(store: Store) -> None:
    tenant = new_id()
    whole = layers_table([layer(tenant, 0, None)])
    store.insert("points", whole.drop_columns(["value", "running", "text", "run_id", "valid_time_end", "changed_by", "annotation", "tags"]))
    found = rows_of(store.arrow(FLAT.query(Selection(tenant, (9,), (SERIES_ID,)).every_column(), View())))
    assert [(row["value"], row["run_id"], row["changed_by"], row["annotation"], row["tags"]) for row in found] == [
        (None, None, "", None, [])
    ]


def test_three_centuries_fit_in_one_block_and_come_back_to_the_nanosecond(store: Store) -> None:
    tenant = new_id()
    times = [EARLIEST, *range(EARLIEST + 1, LATEST, YEAR), LATEST]
    store.insert("points", layers_table([layer(tenant, time, 1.0) for time in times]))
    assert [row["valid_time"] for row in rows_of(store.arrow(FLAT.query(Selection(tenant, (9,), (SERIES_ID,)), View())))] == times


def test_json_written_by_the_store_has_instants_in_utc_and_numbers_as_numbers(store: Store) -> None:
    tenant = new_id()
    store.insert("points", layers_table([layer(tenant, 1, 0.5, version=2**53 + 1), layer(tenant, 2, None)]))
    selection = Selection(tenant, (1 << 40,), (SERIES_ID,), columns=("valid_time", "value", "version"))
    lines = [json.loads(line) for line in store.raw(FLAT.query(selection, View()), "JSONEachRow").splitlines()]
    assert lines == [
        {"valid_time": "1970-01-01T00:00:00.000000001Z", "value": 0.5, "version": 2**53 + 1},
        {"valid_time": "1970-01-01T00:00:00.000000002Z", "value": None, "version": 1},
    ]


def test_a_stream_is_read_in_pieces_from_any_thread_while_others_ask(store: Store) -> None:
    query = Query("SELECT number FROM numbers({count:UInt64})", {"count": 1_000_000})
    pieces = store.stream(query, "CSV")
    first = next(pieces)
    rest: list[bytes] = []
    reader = threading.Thread(target=lambda: rest.extend(pieces))
    reader.start()
    assert store.rows(Query("SELECT 1 AS one")) == [{"one": 1}]
    reader.join(60)
    assert (first + b"".join(rest)).count(b"\n") == 1_000_000


def test_a_stream_that_is_left_early_frees_its_handle(store: Store) -> None:
    for _ in range(20):
        pieces = store.stream(Query("SELECT number FROM numbers(10000000)"), "CSV")
        next(pieces)
        pieces.close()  # type: ignore[attr-defined]
    assert store.rows(Query("SELECT 1 AS one")) == [{"one": 1}]


def test_instants_in_rows_are_aware(store: Store) -> None:
    (row,) = store.rows(Query("SELECT fromUnixTimestamp64Nano(toInt64(1500000000), 'UTC') AS at"))
    assert row["at"].isoformat() == "1970-01-01T00:00:01.500000+00:00"


def test_a_refusal_names_its_reason_and_the_store_goes_on(store: Store) -> None:
    with pytest.raises(Refused, match="odd"):
        store.insert("points", layers_table([layer(new_id(), 0, 1.0)]).append_column("odd", pa.array([1])))
    store.ping()


def test_a_migration_that_was_cut_short_is_finished_at_the_next_start(store: Store) -> None:
    """kill -9 between a table and the note that it is there."""
    store._command("ALTER TABLE migrations DELETE WHERE number = 1 SETTINGS mutations_sync = 1")
    assert store.migrate() == ["001_points"]
    assert store.migrate() == []


def test_migrations_run_once_and_a_newer_store_is_refused(store: Store) -> None:
    assert store.migrate() == []
    store.insert("migrations", pa.table({"number": pa.array([999], pa.uint16()), "name": ["999_future"]}))
    with pytest.raises(Fault, match="newer"):
        store.migrate()


def test_series_fields_are_the_newest_that_were_set_and_search_narrows(store: Store) -> None:
    tenant, other = new_id(), new_id()

    def row(ident: uuid.UUID, version: int, **fields: Any) -> dict[str, Any]:
        mask = sum(1 << SERIES_FIELDS.index(name) for name in fields)
        return {
            "tenant": tenant.bytes,
            "series_id": ident.bytes,
            "version": version,
            "partition": 0,
            "mask": mask,
            "recorded_time": 1,
        } | fields

    one, two = new_id(), new_id()
    rows = [
        row(one, 1, key="plant/a", name="A", unit="MW", tags=["solar"], attributes=[("site", "x")], value_type="text"),
        row(one, 2, unit=None, name="A2"),
        row(one, 5 << 20, name="not visible yet"),
        row(two, 3, key="plant/b", labels=[("zone", "SE3")]),
    ]
    store.insert("series", table_of(SERIES, *rows[:2]))
    store.insert("series", table_of(SERIES, *rows[1:]))

    def found(**search: Any) -> list[str]:
        asked = replace(SeriesSearch(tenant, (5,)), **search)
        whole, page = (store.rows(series(one)) for one in (asked, replace(asked, limit=asked.limit or 9)))
        assert page == whole if asked.limit is None else len(page) <= asked.limit
        return [item["name"] or item["key"] for item in page]

    assert found() == ["A2", "plant/b"]
    assert found(exact={"name": "A"}) == found(prefix={"name": "A"}, exact={"name": "A"}) == []  # what it was called before
    assert found(exact={"value_type": "number"}) == ["plant/b"]
    (first, _) = store.rows(series(SeriesSearch(tenant, (5,))))
    assert (first["unit"], first["tags"], first["attributes"], first["value_type"]) == (None, ["solar"], {"site": "x"}, "text")
    assert found(exact={"key": "plant/b"}) == found(ids=(two,)) == found(labels={"zone": "SE3"}) == ["plant/b"]
    assert found(prefix={"key": "plant/"}) == ["A2", "plant/b"]
    assert found(tags=("solar",)) == found(attributes={"site": "x"}) == found(exact={"name": "A2"}) == ["A2"]
    assert found(exact={"unit": "MW"}) == found(tags=("wind",)) == found(attributes={"site": ""}) == found(tenant=other) == []
    assert found(limit=1) == ["A2"] and found(after=("plant/a", one)) == ["plant/b"]
    assert found(watermark=None)[0] == "not visible yet"
    assert {item["series_id"]: item["value_type"] for item in store.rows(value_types(tenant, (one, two)))} == {one: "text", two: ""}


def test_a_deleted_series_is_not_found_until_a_later_row_brings_it_back_empty(store: Store) -> None:
    tenant, ident = new_id(), new_id()
    base = {"tenant": tenant.bytes, "series_id": ident.bytes, "partition": 0, "key": "a"}
    made = base | {"version": 1, "mask": 0b1_0010_1001, "unit": "MW", "tags": ["t"], "recorded_time": 1, "deleted": 0}
    gone = base | {"version": 2, "mask": 0b1_1110_1110, "recorded_time": 2, "deleted": 1}
    back = base | {"version": 3, "mask": 0b1_0000_0001, "recorded_time": 3, "deleted": 0}
    for row in (made, gone, made, back):
        store.insert("series", table_of(SERIES, row))

    (row,) = store.rows(series(SeriesSearch(tenant)))
    assert (row["key"], row["unit"], row["tags"]) == ("a", None, [])
    assert rows_of(store.arrow(series(SeriesSearch(tenant))))[0]["created_time"] == 3
    store.insert("series", table_of(SERIES, gone | {"version": 4}))
    assert store.rows(series(SeriesSearch(tenant))) == []
    assert store.rows(value_types(tenant, (ident,))) == []


def test_a_run_is_opened_then_sealed_and_keeps_what_each_told(store: Store) -> None:
    tenant, run = new_id(), new_id()
    base = {"tenant": tenant.bytes, "run_id": run.bytes, "partition": 0, "changed_by": "eva", "recorded_time": 7}
    opened_row = base | {"version": 1, "state": "opened", "workflow_id": "w", "known_time": 3, "params": "{}"}
    sealed_row = base | {"version": 2, "state": "sealed", "points": 9, "changed_by": "bo"}
    store.insert("runs", table_of(RUNS, opened_row, sealed_row))
    (found,) = store.rows(runs(RunSearch(tenant, (9,), workflow_id="w")))
    assert (found["state"], found["points"], found["params"], found["changed_by"]) == ("sealed", 9, "{}", "eva")
    assert store.rows(runs(RunSearch(tenant, (9,), state="opened"))) == []
    assert store.rows(runs(RunSearch(tenant, (0,)))) == []


def test_outcomes_are_found_by_event_key_once_each(store: Store) -> None:
    key, tenant = new_id(), new_id()
    row = {
        "tenant": tenant.bytes,
        "event_id": key.bytes,
        "partition": 1,
        "version": 4,
        "status": "applied",
        "recorded_time": SystemClock().now(),
        "reason": "",
    }
    row |= {"body_hash": "h", "series_version": 4}
    store.insert("outcomes", table_of(OUTCOMES, row))
    store.insert("outcomes", table_of(OUTCOMES, row, row | {"version": 9, "status": "duplicate"}))
    assert [item["status"] for item in store.rows(outcomes([key.bytes]))] == ["applied", "duplicate"]
    assert store.rows(outcomes([new_id().bytes])) == []


def test_a_server_that_does_not_answer_is_unavailable_in_words() -> None:
    settings = Settings(store=StoreSettings(dsn=f"clickhouse://someone:secret@127.0.0.1:{free_port()}"))
    with pytest.raises(Unavailable) as refused:
        Store.open(settings)
    assert "127.0.0.1" in refused.value.message and "secret" not in refused.value.message


def test_an_answer_that_is_not_the_store_s_own_is_an_outage_and_never_a_refusal() -> None:
    class Proxy(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(502)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
            """Quiet."""

    with HTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        serving = threading.Thread(target=proxy.serve_forever)
        serving.start()
        try:
            with pytest.raises(Unavailable):
                Store.open(Settings(store=StoreSettings(dsn=f"clickhouse://someone:secret@127.0.0.1:{proxy.server_port}")))
        finally:
            proxy.shutdown()
            serving.join(20)


def test_a_second_process_on_the_same_directory_is_refused_in_words(store: Store) -> None:
    if not store.embedded:
        pytest.skip("a server serves many processes")
    path = store.where.removeprefix("in ").removesuffix("/store")
    program = (
        "import sys; from pathlib import Path; from sink.store import Store; from varve.settings import Settings\n"
        "try: Store.open(Settings(data=Path(sys.argv[1])))\n"
        "except Exception as error: print(getattr(error, 'code', error))"
    )
    ended = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, timeout=60)
    assert ended.stdout.strip() == "store-in-use", ended.stderr


def test_a_second_directory_in_one_process_is_refused_in_words(store: Store, tmp_path_factory: pytest.TempPathFactory) -> None:
    if not store.embedded:
        pytest.skip("a server has no directory of ours")
    with pytest.raises(Conflict) as refused:
        Store.open(Settings(data=tmp_path_factory.mktemp("another")))
    assert refused.value.code == "store-other"
