-- Why a range was hidden: deleted, rewritten, series_deleted or purged.
ALTER TABLE deletions ADD COLUMN IF NOT EXISTS cause LowCardinality(String) DEFAULT 'deleted';
