-- Ranges that were deleted: a read whose bounds and watermark include one hides layers of smaller version in [from, until).
CREATE TABLE IF NOT EXISTS deletions
(
    tenant        UUID,
    series_id     UUID,
    version       UInt64,
    partition     UInt16,
    `from`        DateTime64(9, 'UTC'),
    until         DateTime64(9, 'UTC'),
    known_time    DateTime64(9, 'UTC'),
    recorded_time DateTime64(9, 'UTC'),
    changed_by    LowCardinality(String)
)
ENGINE = ReplacingMergeTree
ORDER BY (tenant, series_id, version);
