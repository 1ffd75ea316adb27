"""Varve: an event-sourced, bitemporal time-series service. `import varve` is fast: what it offers is loaded when first used.

Client and Producer for programs; create, delete, start_api... for notebooks (`import varve as td`).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from varve.client import Client as Client
    from varve.client_uploads import Run as Run
    from varve.client_words import KEEP as KEEP
    from varve.producer import Producer as Producer
    from varve.producer_sync import SyncProducer as SyncProducer
    from varve.timedb import check_api as check_api
    from varve.timedb import create as create
    from varve.timedb import create_with_users as create_with_users
    from varve.timedb import delete as delete
    from varve.timedb import start_api as start_api
    from varve.timedb import start_api_background as start_api_background

_ROOMS = {
    "Client": "varve.client",
    "Run": "varve.client_uploads",
    "KEEP": "varve.client_words",
    "Producer": "varve.producer",
    "SyncProducer": "varve.producer_sync",
    "check_api": "varve.timedb",
    "create": "varve.timedb",
    "create_with_users": "varve.timedb",
    "delete": "varve.timedb",
    "start_api": "varve.timedb",
    "start_api_background": "varve.timedb",
}


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'varve' has no attribute '{name}'")
    return getattr(import_module(_ROOMS[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_ROOMS})
