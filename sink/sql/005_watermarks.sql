-- How far the store is, per partition: the next offset of varve.events and of varve.points that it lacks (I5, I9), and the
-- log that they belong to (I12). One small row a batch; a read takes the highest, so a repeated or late row does no harm.
CREATE TABLE IF NOT EXISTS watermarks
(
    partition     UInt16,
    log_id        String,
    next_offset   UInt64,
    points_offset UInt64
)
ENGINE = ReplacingMergeTree(points_offset)
ORDER BY (partition, log_id);
