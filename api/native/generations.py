"""Generations of the views: which is served, which is being built by a replay, how they differ, and the flip from one to the other.

Before: `varve replay`. After: api/generations.py.
"""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from api.parts import Parts


def router(parts: Parts) -> APIRouter:
    routes = APIRouter(prefix="/api/v1/generations", tags=["generations"])

    @routes.get("")
    async def listed() -> dict[str, Any]:
        """The generation that is served, and the one that is being built, with how far each is."""
        number, vector = parts.generations.served
        built = await parts.generations.built()
        served = {"generation": number, "vector": vector, "outdated": parts.generations.outdated}
        return {"served": served, "building": None if built is None else asdict(built)}

    @routes.post("")
    async def build() -> dict[str, int]:
        """Begin to fill the tables of the next generation from its points, or go on; `varve replay` makes these."""
        return {"generation": await parts.generations.build()}

    @routes.get("/{generation}/differences")
    async def differences(generation: int) -> dict[str, Any]:
        """The series and runs of which the served and the built generation hold different rows; at most 1,000 a table."""
        return {"differences": [asdict(one) for one in await parts.generations.differences(generation)]}

    @routes.post("/{generation}/serve")
    async def serve(generation: int) -> dict[str, int]:
        """Serve it: every worker, sink and server starts again with it, this one too."""
        await parts.generations.serve(generation)
        return {"generation": generation}

    @routes.delete("/{generation}", status_code=204)
    async def drop(generation: int) -> None:
        """Remove its tables; refused for the one that is served."""
        await parts.generations.drop(generation)

    return routes
