"""The body of an answer onto the disk, inflated within bounds: never more than allowed, however small it came.

Before: fetch.py has the raw pieces. After: a file. One piece is inflated step by step, so that no piece, nor a body compressed many times
over, takes memory.
"""

import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Protocol

from varve.errors import Incorrect, TooLarge

STEP_BYTES = 1 << 20
TIMES_MAX, TIMES_FROM_BYTES = 200, 64 << 20  # readings inflate 5 to 50 times; what is small may inflate as it likes
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


class _Inflate(Protocol):
    def pieces(self, raw: bytes) -> Iterator[bytes]: ...

    def end(self) -> None: ...


async def written(raw: AsyncIterator[bytes], encoding: str, into: Path, bytes_max: int, where: str) -> int:
    """How many bytes the file has."""
    inflate = _inflate_of(encoding, where)
    came = size = 0
    with into.open("wb") as file:
        async for piece in raw:
            came += len(piece)
            for step in inflate.pieces(piece):
                size += len(step)
                if size > bytes_max:
                    raise too_large(where, bytes_max)
                if size > TIMES_FROM_BYTES and size > came * TIMES_MAX:
                    words = f"{where} sent {came:,} bytes that inflate to more than {TIMES_MAX} times as many: that is no file of readings"
                    raise TooLarge("source-bomb", words)
                file.write(step)
        if came:
            inflate.end()
    return size


def too_large(where: str, bytes_max: int) -> TooLarge:
    words = f"{where} sends more than {bytes_max >> 20} MiB: ask it for a shorter span (VARVE_LOADING__SIZE_MB_MAX is the bound)"
    return TooLarge("source-too-large", words)


def _inflate_of(encoding: str, where: str) -> _Inflate:
    said = encoding.strip().lower()
    if said in ("", "identity"):
        return _Plain()
    if said in ("gzip", "x-gzip", "deflate"):
        return _Zipped(where)
    raise Incorrect("source-encoding", f"{where} sends its answer encoded as '{encoding[:40]}', which it was not asked for")


class _Plain:
    def pieces(self, raw: bytes) -> Iterator[bytes]:
        yield raw

    def end(self) -> None:
        pass


class _Zipped:
    def __init__(self, where: str) -> None:
        self._where, self._inflater = where, zlib.decompressobj(_GZIP_OR_ZLIB)

    def pieces(self, raw: bytes) -> Iterator[bytes]:
        while raw:
            try:
                yield self._inflater.decompress(raw, STEP_BYTES)
            except zlib.error as reason:
                raise Incorrect("source-encoding", f"{self._where} sends what it calls gzip and is not: {reason}") from None
            raw = self._inflater.unconsumed_tail
            if self._inflater.eof and (raw := raw or self._inflater.unused_data):  # another member
                self._inflater = zlib.decompressobj(_GZIP_OR_ZLIB)

    def end(self) -> None:
        if not self._inflater.eof:
            raise Incorrect("source-cut", f"{self._where} sends gzip that ends before its end")
