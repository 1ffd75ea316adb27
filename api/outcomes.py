"""Looks up what became of keyed events: look-ups that come while one is running share the next query.

Before: the writer asks, by tenant and event id. After: verdict.py reads the rows.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from api.verdict import EventKey, OutcomeRow
from varve.codec import event_key

KEYS_MAX = 5_000  # in one query
Find = Callable[[Sequence[EventKey]], Awaitable[Sequence[OutcomeRow]]]


class Outcomes:
    def __init__(self, find: Find) -> None:
        self._find = find
        self._asked: list[tuple[list[EventKey], asyncio.Future[list[OutcomeRow]]]] = []
        self._asker: asyncio.Task[None] | None = None

    async def of(self, events: Iterable[EventKey]) -> list[OutcomeRow]:
        answer: asyncio.Future[list[OutcomeRow]] = asyncio.get_running_loop().create_future()
        self._asked.append((list(events), answer))
        if self._asker is None:
            self._asker = asyncio.create_task(self._ask())
        return await asyncio.shield(answer)

    async def _ask(self) -> None:
        try:
            while self._asked:
                asked, self._asked = self._asked, []
                try:
                    rows = await self._rows(list({event: None for events, _ in asked for event in events}))
                except Exception as error:  # noqa: BLE001 - whoever asked hears it
                    for _, answer in asked:
                        if not answer.done():
                            answer.set_exception(error)
                    continue
                for events, answer in asked:
                    keys = {event_key(*event) for event in events}
                    if not answer.done():
                        answer.set_result([row for row in rows if row.key in keys])
        finally:
            self._asker = None

    async def _rows(self, events: list[EventKey]) -> list[OutcomeRow]:
        found: list[OutcomeRow] = []
        for at in range(0, len(events), KEYS_MAX):
            found += await self._find(events[at : at + KEYS_MAX])
        return found
