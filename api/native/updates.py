"""PATCH points: tri-state updates, native words. A field that is absent keeps, null clears; what changes nothing is told."""

from fastapi import APIRouter

from api.parts import Parts


def router(parts: Parts) -> APIRouter:
    return APIRouter(tags=["points"])
