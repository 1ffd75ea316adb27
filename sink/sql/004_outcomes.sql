-- What became of each attempt at a keyed event; doors look here before they append again (I3). Sorted by the event's key,
-- which holds the tenant already. Kept for seven days: longer than a client retries, and the log has it for ever.
CREATE TABLE IF NOT EXISTS outcomes
(
    tenant         UUID,
    event_id       UUID,
    partition      UInt16,
    version        UInt64,
    status         LowCardinality(String),  -- applied, duplicate, conflict or refused
    body_hash      String,
    series_version UInt64,
    reason         String,
    recorded_time  DateTime64(9, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (event_id, partition, version)
TTL toDateTime(recorded_time) + INTERVAL 7 DAY;
