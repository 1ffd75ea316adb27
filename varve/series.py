"""What a series is called and where it lives: ids from keys without coordination, partitions by Kafka's murmur2 (I2).

The partitioner is the Java client's DefaultPartitioner (murmur2, seed 0x9747b28c) over the id's 36 lower-case characters.
"""

import uuid
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

DEFAULT_TENANT = uuid.UUID(int=0)
KEY_LENGTH_MAX = 512


@lru_cache(maxsize=1 << 18)
def series_id(tenant: uuid.UUID, key: str) -> uuid.UUID:
    """The id of the tenant's series with this key: the same for everyone who asks."""
    return uuid.uuid5(tenant, key)


@lru_cache(maxsize=1 << 16)
def entity_id(tenant: uuid.UUID, kind: str, name: str) -> uuid.UUID:
    """Of the tenant's document of this kind with this id; never that of a series, whatever its key."""
    return uuid.uuid5(uuid.uuid5(tenant, "entities of"), f"{kind}/{name}")


def derived_id(event_id: str, part: int) -> str:
    """The id of the part-th event of one request: the request's own for the first, so that its outcome is found by it."""
    return event_id if part == 0 else uuid.uuid5(uuid.UUID(hex=event_id), str(part)).hex


def partition_of(ident: uuid.UUID, partitions: int) -> int:
    return int(partitions_of([ident], partitions)[0])


def partitions_of(idents: Sequence[uuid.UUID], partitions: int) -> NDArray[np.int64]:
    """The partition of each id; one vectorized pass over N x 36 bytes."""
    if not idents:
        return np.empty(0, np.int64)
    letters = np.frombuffer("".join(map(str, idents)).encode(), np.uint8).reshape(-1, 36)
    hashes = _murmur2(letters)
    return ((hashes & np.uint32(0x7FFFFFFF)) % np.uint32(partitions)).astype(np.int64)


def _murmur2(letters: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """murmur2 of rows of 36 bytes: nine whole words, so the tail of the general algorithm never runs."""
    m = np.uint32(0x5BD1E995)
    with np.errstate(over="ignore"):
        h = np.full(len(letters), np.uint32(0x9747B28C) ^ np.uint32(36), np.uint32)
        for word in np.ascontiguousarray(letters).view("<u4").T:
            k = word * m
            k ^= k >> np.uint32(24)
            h = (h * m) ^ (k * m)
        h ^= h >> np.uint32(13)
        h *= m
        h ^= h >> np.uint32(15)
    return h
