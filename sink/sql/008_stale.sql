-- Spans of a series' rollups that may be wrong since `version`. A refresh that covers the mark inserts it again with removed = 1.
CREATE TABLE IF NOT EXISTS stale
(
    tenant    UUID,
    series_id UUID,
    `from`    DateTime64(9, 'UTC'),
    until     DateTime64(9, 'UTC'),
    version   UInt64,
    partition UInt16,
    removed   UInt8 DEFAULT 0
)
ENGINE = ReplacingMergeTree(removed)
ORDER BY (tenant, series_id, `from`, until, version);
