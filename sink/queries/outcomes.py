"""What became of keyed events, by event_key(): every attempt, once, oldest first (I3). Not bound by a watermark: a door
asks whether an event was applied, and the sooner it knows the better."""

import uuid
from collections.abc import Sequence

from sink.queries.query import Query


def outcomes(event_keys: Sequence[bytes]) -> Query:
    sql = """SELECT o.event_id AS event_id, o.partition AS partition, o.version AS version, o.status AS status,
  o.body_hash AS body_hash, o.series_version AS series_version, o.reason AS reason, o.recorded_time AS recorded_time
FROM outcomes AS o
WHERE o.event_id IN {event_ids:Array(UUID)}
ORDER BY o.event_id, o.partition, o.version
LIMIT 1 BY o.event_id, o.partition, o.version"""
    return Query(sql, {"event_ids": [uuid.UUID(bytes=key) for key in event_keys]})
