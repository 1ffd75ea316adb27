"""What a server is made of, put together once by api/server.py and passed to every room of the API. No globals."""

from dataclasses import dataclass

from api.access.access import Access
from api.catalog import Catalog
from api.doors.datareservoir.uploads import Uploads
from api.generations import Generations
from api.health import Health
from api.reads import Reads
from api.runs import Runs
from api.views import Views
from api.writer import Writer
from streams.log import Log
from streams.topics import Topics
from varve.clock import Clock
from varve.settings import Settings


@dataclass(frozen=True)
class Parts:
    settings: Settings
    log: Log
    topics: Topics
    clock: Clock
    writer: Writer
    views: Views
    catalog: Catalog
    runs: Runs
    reads: Reads
    health: Health
    generations: Generations
    uploads: Uploads
    access: Access
