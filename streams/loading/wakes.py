"""Wakes as records of the loads topic: JSON under the task's id, so that the runs of one task come to one loader. Pure."""

import uuid
from typing import Any

import orjson

from streams.loading.service import Wake


def said_wake(wake: Wake) -> dict[str, Any]:
    return {"tenant": str(wake.tenant), "task": wake.task, "run": wake.run, "turn": wake.turn}


def read_wake(value: bytes | None) -> Wake | None:
    """None where it is none: a wake is only a hint."""
    try:
        said = orjson.loads(value or b"")
        return Wake(uuid.UUID(said["tenant"]), str(uuid.UUID(said["task"])), str(uuid.UUID(said["run"])), int(said["turn"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
