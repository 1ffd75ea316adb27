-- What was erased from the tables on request: the sink erases when it takes the event, so a replay erases again (I1).
CREATE TABLE IF NOT EXISTS purges
(
    tenant        UUID,
    series_id     UUID,
    version       UInt64,
    partition     UInt16,
    `from`        DateTime64(9, 'UTC'),
    until         DateTime64(9, 'UTC'),
    recorded_time DateTime64(9, 'UTC'),
    changed_by    LowCardinality(String)
)
ENGINE = ReplacingMergeTree
ORDER BY (tenant, series_id, version);
