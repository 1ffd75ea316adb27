-- Uploads under one run_id: a row when one is opened, a row when it is sealed; a read takes each field's newest value.
CREATE TABLE IF NOT EXISTS runs
(
    tenant        UUID,
    run_id        UUID,
    version       UInt64,
    partition     UInt16,
    state         LowCardinality(String),  -- opened or sealed
    workflow_id   Nullable(String),
    known_time    Nullable(DateTime64(9, 'UTC')),
    started       Nullable(DateTime64(9, 'UTC')),
    finished      Nullable(DateTime64(9, 'UTC')),
    params        Nullable(String),  -- JSON
    points        Nullable(UInt64),
    recorded_time DateTime64(9, 'UTC'),
    changed_by    LowCardinality(String)
)
ENGINE = ReplacingMergeTree
ORDER BY (tenant, run_id, version);
