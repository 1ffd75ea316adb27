-- Is there a layer of this cell with a higher version? Skips the granules of a hot counter's cell (10 M layers) at once.
ALTER TABLE points ADD INDEX IF NOT EXISTS version_range version TYPE minmax GRANULARITY 4;
