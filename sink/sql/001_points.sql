-- Layers, as the fold emits them (I7). The same layer may arrive twice: rows are equal by key, and no query trusts a merge.
-- Sorted as reads ask: one series, a span of valid_time, newest known_time; LIMIT 1 BY then reads in key order.
-- By year: monthly parts and a 20-year upload made one insert of 240 parts, which ClickHouse refuses (code 252).
-- op has a minmax index: "is there a layer that is not a plain set?" skips every granule of plain sets.
CREATE TABLE IF NOT EXISTS points
(
    tenant         UUID,
    series_id      UUID,
    valid_time     DateTime64(9, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    known_time     DateTime64(9, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    recorded_time  DateTime64(9, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    version        UInt64 CODEC(DoubleDelta, ZSTD(1)),
    partition      UInt16 CODEC(ZSTD(1)),
    op             UInt8 CODEC(ZSTD(1)),                -- 0 set, 1 add, 2 update
    mask           UInt8 DEFAULT 15 CODEC(ZSTD(1)),     -- 1 value or text, 2 annotation, 4 tags, 8 valid_time_end
    value          Nullable(Float64) CODEC(Gorilla, ZSTD(1)),
    running        Nullable(Float64) CODEC(Gorilla, ZSTD(1)),  -- absolute value after an add that lands on the tail cell
    text           Nullable(String) CODEC(ZSTD(1)),
    run_id         UUID DEFAULT toUUID('00000000-0000-0000-0000-000000000000') CODEC(ZSTD(1)),  -- zero: none
    valid_time_end Nullable(DateTime64(9, 'UTC')) CODEC(DoubleDelta, ZSTD(1)),
    changed_by     LowCardinality(String),
    annotation     Nullable(String) CODEC(ZSTD(1)),
    tags           Array(LowCardinality(String)),
    INDEX op_range op TYPE minmax GRANULARITY 8
)
ENGINE = ReplacingMergeTree
PARTITION BY toYear(valid_time)
ORDER BY (tenant, series_id, valid_time, known_time, version);
