"""The catalogue of series: what it asks the store, what it remembers, and what makes it forget."""

import asyncio
import uuid
from collections.abc import Sequence

import numpy as np
import pytest

from api.catalog import Catalog
from varve.columns import Target, make_points
from varve.errors import Incorrect, NotFound, Unavailable
from varve.events import LatestIncremented, PointsIncremented, PointsWritten, SeriesDefined, SeriesDeleted, SeriesRewritten, ValueType
from varve.record import Record, single
from varve.series import series_id

TENANT = uuid.UUID(int=7)
IDENT = series_id(TENANT, "a")
GONE = single(SeriesDeleted(tenant=TENANT, series_id=IDENT))


class Shelf:
    """The store's part: series ids and what they hold, and how often it was asked."""

    def __init__(self, **kinds: str) -> None:
        self.kinds = {series_id(TENANT, key): kind for key, kind in kinds.items()}
        self.asked = 0

    async def find(self, _tenant: uuid.UUID, idents: Sequence[uuid.UUID]) -> dict[uuid.UUID, str]:
        self.asked += 1
        return {ident: self.kinds[ident] for ident in idents if ident in self.kinds}


def points(event: PointsWritten | PointsIncremented | SeriesRewritten, key: str = "a") -> Record:
    return single(event, make_points((Target(TENANT, IDENT, key),), np.zeros(1, np.int32), np.zeros(1, np.int64), np.ones(1)))


def written(kind: ValueType = "number", key: str = "a") -> Record:
    return points(PointsWritten(tenant=TENANT, value_type=kind), key)


def test_a_deleted_series_is_asked_for_again() -> None:
    async def run() -> None:
        shelf = Shelf(a="number")
        catalog = Catalog(shelf.find)
        assert [await catalog.learn_id(TENANT, IDENT) for _ in range(2)] == ["number", "number"]
        assert shelf.asked == 1
        shelf.kinds.clear()
        catalog.wrote(GONE)
        with pytest.raises(NotFound, match="create it first"):
            await catalog.check(written(key=""))
        await catalog.check(written("text"))
        catalog.wrote(written("text"))
        assert await catalog.learn_id(TENANT, IDENT) == "text"

    asyncio.run(run())


def test_a_series_without_a_type_counts_as_numbers_until_it_gets_one() -> None:
    async def run() -> None:
        shelf = Shelf(a="")
        catalog = Catalog(shelf.find)
        assert [await catalog.learn_id(TENANT, IDENT) for _ in range(2)] == ["number", "number"]
        assert shelf.asked == 2, "it may have one by now"
        with pytest.raises(Incorrect, match="holds number, not text"):
            await catalog.check(written("text"))
        typed = SeriesDefined(tenant=TENANT, series_id=IDENT, value_type="text")
        record = Record((*written("text").events, typed), written("text").points)
        await catalog.check(record)
        catalog.wrote(record)
        await catalog.check(written("text"))
        shelf.kinds[IDENT] = "text"
        with pytest.raises(Incorrect, match="holds text, not number"):
            await catalog.check(written())

    asyncio.run(run())


def test_an_answer_from_before_a_deletion_is_not_remembered() -> None:
    async def run() -> None:
        shelf = Shelf(a="number")
        catalog = Catalog(shelf.find)

        async def find_while_it_is_deleted(tenant: uuid.UUID, idents: Sequence[uuid.UUID]) -> dict[uuid.UUID, str]:
            found = await shelf.find(tenant, idents)
            if shelf.kinds:
                shelf.kinds.clear()
                catalog.wrote(GONE)
            return found

        catalog._find = find_while_it_is_deleted
        assert await catalog.learn_id(TENANT, IDENT) is None
        assert shelf.asked == 2

    asyncio.run(run())


def test_a_type_that_another_server_changed_is_learned_before_anything_is_refused() -> None:
    async def run() -> None:
        shelf = Shelf(a="number")
        catalog = Catalog(shelf.find)
        await catalog.check(written())
        with pytest.raises(Incorrect, match="holds number, not text"):
            await catalog.check(written("text"))
        shelf.kinds[IDENT] = "text"
        await catalog.check(written("text"))
        with pytest.raises(Incorrect, match="holds text, not number"):
            await catalog.check(written())

    asyncio.run(run())


@pytest.mark.parametrize(
    "record",
    [
        points(PointsIncremented(tenant=TENANT, value_type="number")),
        points(SeriesRewritten(tenant=TENANT, value_type="number")),
        single(LatestIncremented(tenant=TENANT, series="a", amount=1.0)),
    ],
)
def test_a_series_made_by_its_first_amount_or_rewrite_exists_at_once(record: Record) -> None:
    async def run() -> None:
        catalog = Catalog(Shelf().find)
        await catalog.check(record)
        catalog.wrote(record)
        await catalog.check(written(key=""))

    asyncio.run(run())


def test_only_numbers_are_added_to() -> None:
    async def run() -> None:
        by_id, by_key = (LatestIncremented(tenant=TENANT, amount=1.0, **named) for named in ({"series_id": IDENT}, {"series": "a"}))
        with pytest.raises(NotFound):
            await Catalog(Shelf().find).check(single(by_id))
        for kind in ("bool", "text"):
            with pytest.raises(Incorrect, match=f"holds {kind}"):
                await Catalog(Shelf(a=kind).find).check(single(by_key))
        await Catalog(Shelf(a="number").find).check(single(by_id))

    asyncio.run(run())


@pytest.mark.parametrize("hangs", [False, True])
def test_a_store_that_does_not_answer_stops_no_write_by_key_and_teaches_nothing(hangs: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.catalog.ASKED_SECONDS_MAX", 0.05)

    class Away(Shelf):
        away = True

        async def find(self, tenant: uuid.UUID, idents: Sequence[uuid.UUID]) -> dict[uuid.UUID, str]:
            if self.away and hangs:
                await asyncio.Event().wait()
            if self.away:
                raise Unavailable("store-unavailable", "the store does not answer (injected)")
            return await super().find(tenant, idents)

    async def run() -> None:
        shelf = Away(a="text")
        catalog = Catalog(shelf.find)
        await catalog.check(written("number"))
        catalog.wrote(written("number"))
        with pytest.raises(Unavailable, match="the store does not answer"):
            await catalog.check(written("number", key=""))
        shelf.away = False
        with pytest.raises(Incorrect, match="holds text"):  # as the store says, not as it was written meanwhile
            await catalog.check(written("number"))

    asyncio.run(run())
