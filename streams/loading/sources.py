"""Sources over HTTP, as fetch.py and reading.py have them: fetched whole into a file, then read in a thread, chunk by chunk.

Before: runner.py. After: fetch.py, reading.py. The file goes when the run has read it, or left it.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from streams.loading.fetch import fetch, limits_of
from varve.settings import Settings

if TYPE_CHECKING:
    from streams.loading.chunks import Chunk
    from streams.loading.specs import Source

READ_AT_ONCE = 2  # files: each takes a core


class HttpSources:
    def __init__(self, settings: Settings) -> None:
        self._directory, self._limits = settings.data / "loads", limits_of(settings.loading)
        self._turn = asyncio.Semaphore(READ_AT_ONCE)

    async def chunks(self, source: "Source", url: str, wanted: Sequence[str]) -> AsyncIterator["Chunk"]:
        from streams.loading.reading import read

        self._directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._directory) as own:
            path = Path(own) / "source"
            header = (source.header_name, source.header_value or "") if source.header_name else None
            await fetch(url, header, path, self._limits)
            rows = await asyncio.to_thread(read, path, source, wanted)
            while True:
                async with self._turn:
                    chunk = await asyncio.to_thread(next, rows, None)
                if chunk is None:
                    return
                yield chunk
