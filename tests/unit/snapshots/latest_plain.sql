SELECT l.valid_time AS valid_time,
  l.value AS value
FROM points AS l
WHERE l.tenant = {tenant:UUID}
  AND l.series_id = {series_id:UUID}
  AND identity(l.version) < {version_until:UInt64}
  AND l.valid_time >= fromUnixTimestamp64Nano({from:Int64}, 'UTC')
  AND l.valid_time < fromUnixTimestamp64Nano({until:Int64}, 'UTC')
  AND l.valid_time = (
  SELECT l.valid_time FROM points AS l
  WHERE l.tenant = {tenant:UUID}
    AND l.series_id = {series_id:UUID}
    AND identity(l.version) < {version_until:UInt64}
    AND l.valid_time >= fromUnixTimestamp64Nano({from:Int64}, 'UTC')
    AND l.valid_time < fromUnixTimestamp64Nano({until:Int64}, 'UTC')
  ORDER BY l.valid_time DESC LIMIT 1)
ORDER BY l.series_id, l.known_time DESC, l.version DESC
LIMIT 1 BY l.series_id
