-- Documents by kind and id (users, connections, things…), put whole; a read takes the row of highest version.
CREATE TABLE IF NOT EXISTS entities
(
    tenant        UUID,
    kind          LowCardinality(String),
    id            String,
    entity_id     UUID,
    version       UInt64,
    partition     UInt16,
    document      String,  -- JSON
    deleted       UInt8 DEFAULT 0,
    recorded_time DateTime64(9, 'UTC'),
    changed_by    LowCardinality(String)
)
ENGINE = ReplacingMergeTree
ORDER BY (tenant, kind, id, version);
