"""What of a file is sent side by side: chunks whose times lie apart, and never two that may tell of one time."""

from concurrent.futures import Future

import numpy as np

from streams.loading.by_hand import AT_ONCE, Flying
from streams.loading.chunks import Chunk


class Waits:
    """Chunks that are sent; `waited` says whose answers were waited for before the next one flew."""

    def __init__(self) -> None:
        self.waited: list[str] = []
        self.flying = Flying()

    def sends(self, name: str, first: int, last: int) -> list[str]:
        chunk = Chunk(np.array([first, last], np.int64), {}, np.array([1, 2], np.int64), 2)
        before = len(self.waited)
        self.flying.make_way(chunk)
        waited = self.waited

        class Sent(Future[None]):
            def result(self, timeout: float | None = None) -> None:
                waited.append(name)

        self.flying.add(chunk, Sent())
        return self.waited[before:]


def test_chunks_of_other_times_fly_side_by_side() -> None:
    waits = Waits()
    assert [waits.sends(str(at), 10 * at, 10 * at + 9) for at in range(AT_ONCE)] == [[]] * AT_ONCE
    assert waits.sends("one more", 1_000, 1_001) == ["0"]
    assert waits.sends("earlier", -20, -11) == ["1"]


def test_a_chunk_waits_for_those_that_may_tell_of_its_times() -> None:
    waits = Waits()
    assert [waits.sends("a", 0, 9), waits.sends("b", 10, 19)] == [[], []]
    assert waits.sends("c", 19, 30) == ["a", "b"]
    assert waits.sends("d", 31, 40) == []
    assert waits.sends("within d", 35, 36) == ["c", "d"]


def test_all_have_landed_at_the_end() -> None:
    waits = Waits()
    for at in range(3):
        waits.sends(str(at), at, at)
    waits.flying.land()
    assert waits.waited == ["0", "1", "2"]
