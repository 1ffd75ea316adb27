-- A row tells of [bucket, until): its points lie in [bucket, bucket + step), and there are none from there to until, so that series
-- with gaps need no rows for empty buckets. until <= bucket: the row says nothing and supersedes one that did.
ALTER TABLE rollups ADD COLUMN IF NOT EXISTS until DateTime64(9, 'UTC') CODEC(DoubleDelta, ZSTD(1)) AFTER bucket;
