"""Generations of the views: which is served, which is being built by a replay, how they differ, and the flip from one to the other; and
those that are kept under a name, of some past position.

Before: `varve replay`. After: api/generations.py.
"""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from pydantic import Field

from api.parts import Parts
from api.request import Asked
from streams.generations import Named
from varve.instants import format_instant


class Wanted(Asked):
    """Nothing for the next generation; both for one that is to be kept."""

    name: str = Field("", description="/generations/NAME/... will answer from it")
    until: str = Field("", description="a token, as a read's Varve-Watermark: it ends with these records")


def router(parts: Parts) -> APIRouter:
    routes = APIRouter(prefix="/api/v1/generations", tags=["generations"])

    @routes.get("")
    async def listed() -> dict[str, Any]:
        """The generation that is served, the one that is being built, with how far each is, and those that are kept under a name."""
        number, vector = parts.generations.served
        built = await parts.generations.built()
        served = {"generation": number, "vector": vector, "outdated": parts.generations.outdated}
        kept = [_kept(parts, one) for one in (await parts.generations.names()).values()]
        return {"served": served, "building": None if built is None else asdict(built), "kept": kept}

    @routes.post("")
    async def build(wanted: Wanted | None = None) -> dict[str, str]:
        """Begin to fill the tables of the next generation from its points, or go on; `varve replay` makes these."""
        if wanted is None or not wanted.name:
            return {"generation": await parts.generations.build()}
        until = parts.views.own(wanted.until).offsets
        return {"generation": await parts.generations.build(wanted.name, {partition: offset + 1 for partition, offset in until.items()})}

    @routes.get("/{generation}/differences")
    async def differences(generation: str) -> dict[str, Any]:
        """The series and runs of which the served and the built generation hold different rows; at most 1,000 a table."""
        return {"differences": [asdict(one) for one in await parts.generations.differences(generation)]}

    @routes.post("/{generation}/serve")
    async def serve(generation: str) -> dict[str, str]:
        """Serve it: every worker, sink and server starts again with it, this one too. One with a name is kept, and nothing starts again."""
        await parts.generations.serve(generation)
        return {"generation": generation}

    @routes.delete("/{generation}", status_code=204)
    async def drop(generation: str) -> None:
        """Remove its tables; refused for the one that is served."""
        await parts.generations.drop(generation)

    return routes


def _kept(parts: Parts, named: Named) -> dict[str, Any]:
    """until: the token of its last records."""
    return {"name": named.name, "until": str(parts.views.token(dict(enumerate(named.until)))), "made": format_instant(named.made)}
