"""What was purged after a generation under a name was made is erased in it as well.

Before: api/named.py, each time that the served watermarks moved. After: no read of that generation shows it.
"""

from collections.abc import Sequence

from sink.queries.purge import Purge, erasures, purge_of, purges_between
from sink.store import Store


def purged_since(served: Store, since: tuple[int, ...], watermark: tuple[int, ...]) -> list[Purge]:
    """Told below the second watermark vector and not below the first."""
    return [purge_of(row) for row in served.rows(purges_between(since, watermark))]


def erase(store: Store, purges: Sequence[Purge]) -> None:
    for purge in purges:
        for query in erasures(purge):
            store.change(query)
