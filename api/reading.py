"""What answers reads from one store: that of the generation which is served, or of one that is kept under a name.

Before: assembly.py and named.py open the store. After: routes have it in their Parts.
"""

from dataclasses import dataclass

from api.catalog import Catalog
from api.lookups import Lookups
from api.reads import Reads
from api.runs import Runs
from api.store_calls import StoreCalls
from api.views import Views
from sink.store import Store
from sink.watermark import Watermarks
from streams.log import Log
from varve.settings import Settings


@dataclass(frozen=True)
class Reading:
    calls: StoreCalls
    lookups: Lookups
    views: Views
    catalog: Catalog
    runs: Runs
    reads: Reads


def reading(settings: Settings, log: Log, store: Store, watermarks: Watermarks, readers: int) -> Reading:
    calls = StoreCalls(store, readers)
    lookups = Lookups(calls)
    views, catalog = Views(watermarks, log.log_id, settings.http), Catalog(lookups.value_types)
    reads = Reads(calls, lookups, catalog, views, log.log_id, len(watermarks.current))
    return Reading(calls, lookups, views, catalog, Runs(lookups.run), reads)
