SELECT l.series_id AS series_id,
  l.valid_time AS valid_time,
  l.value AS value,
  l.valid_time_end AS valid_time_end,
  l.known_time AS known_time,
  l.recorded_time AS recorded_time,
  nullIf(l.run_id, toUUID('00000000-0000-0000-0000-000000000000')) AS run_id,
  l.changed_by AS changed_by,
  l.annotation AS annotation,
  l.tags AS tags,
  l.version AS version,
  l.op AS op,
  l.mask AS mask,
  CAST(NULL, 'Nullable(DateTime64(9, ''UTC''))') AS deleted_time
FROM points AS l
WHERE l.tenant = {tenant:UUID}
  AND l.series_id = {series_id:UUID}
  AND identity(l.version) < {version_until:UInt64}
  AND l.valid_time >= fromUnixTimestamp64Nano({from:Int64}, 'UTC')
  AND l.valid_time < fromUnixTimestamp64Nano({until:Int64}, 'UTC')
ORDER BY l.series_id, l.valid_time, l.known_time, l.version
LIMIT 1 BY l.series_id, l.valid_time, l.known_time, l.version
