-- Aggregates of the flat read per bucket (I8). covers: the watermark, or version, up to which the row knows every layer;
-- a read takes the row of highest covers, and uses it if no stale mark is newer. m2: sum of squared deviations from mean.
CREATE TABLE IF NOT EXISTS rollups
(
    tenant       UUID,
    series_id    UUID,
    step_seconds UInt32,
    bucket       DateTime64(9, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    covers       UInt64 CODEC(DoubleDelta, ZSTD(1)),
    partition    UInt16,
    count        UInt64 CODEC(T64, ZSTD(1)),
    sum          Float64,
    mean         Float64,
    m2           Float64,
    min          Float64,
    max          Float64,
    first        Float64,
    first_time   DateTime64(9, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    last         Float64,
    last_time    DateTime64(9, 'UTC') CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(covers)
PARTITION BY toYear(bucket)
ORDER BY (tenant, series_id, step_seconds, bucket);
