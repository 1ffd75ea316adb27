SELECT l.valid_time AS valid_time,
  l.series_id AS series_id
FROM points AS l
WHERE l.tenant = {tenant:UUID}
  AND l.version < {versions_until:Array(UInt64)}[l.partition + 1]
  AND l.known_time < fromUnixTimestamp64Nano({known_until:Int64}, 'UTC')
  AND l.known_time <= fromUnixTimestamp64Nano({as_of_known:Int64}, 'UTC')
  AND l.recorded_time <= fromUnixTimestamp64Nano({as_of_recorded:Int64}, 'UTC')
  AND l.run_id = {run_id:UUID}
  AND l.known_time >= fromUnixTimestamp64Nano({known_from:Int64}, 'UTC')
ORDER BY l.valid_time, l.series_id, l.known_time DESC, l.version DESC
LIMIT 1 BY l.valid_time, l.series_id
LIMIT {limit:UInt64} OFFSET {offset:UInt64}
