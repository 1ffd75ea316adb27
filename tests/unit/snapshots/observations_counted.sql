SELECT count() AS count
FROM (
SELECT l.valid_time AS valid_time, l.value AS value, l.tags AS tags
FROM points AS l
WHERE l.tenant = {tenant:UUID}
  AND l.series_id = {series_id:UUID}
  AND identity(l.version) < {version_until:UInt64}
  AND l.valid_time >= fromUnixTimestamp64Nano({from:Int64}, 'UTC')
  AND l.valid_time < fromUnixTimestamp64Nano({until:Int64}, 'UTC')
ORDER BY l.valid_time, l.known_time DESC, l.version DESC
LIMIT 1 BY l.valid_time
) AS o
WHERE o.value IS NOT NULL AND hasAny(o.tags, {codes:Array(String)})
