-- What is known of each series: a row sets only the fields of its mask (bits in the order of streams/points.py SERIES_FIELDS);
-- a read takes for each field the row of the highest version that has its bit. All rows stay: as_of holds for descriptions too.
CREATE TABLE IF NOT EXISTS series
(
    tenant        UUID,
    series_id     UUID,
    version       UInt64,
    partition     UInt16,
    mask          UInt16,
    key           Nullable(String),
    name          Nullable(String),
    description   Nullable(String),
    unit          Nullable(String),
    value_type    LowCardinality(Nullable(String)),
    tags          Array(String),
    attributes    Map(String, String),
    labels        Map(String, String),
    deleted       UInt8 DEFAULT 0,
    recorded_time DateTime64(9, 'UTC'),
    changed_by    LowCardinality(String)
)
ENGINE = ReplacingMergeTree
ORDER BY (tenant, series_id, version);
