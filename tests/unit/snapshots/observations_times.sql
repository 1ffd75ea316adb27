SELECT toUnixTimestamp64Nano(o.valid_time) AS at
FROM (
SELECT l.valid_time AS valid_time, l.value AS value, l.tags AS tags
FROM points AS l
WHERE l.tenant = {tenant:UUID}
  AND l.series_id = {series_id:UUID}
  AND identity(l.version) < {version_until:UInt64}
  AND l.valid_time >= fromUnixTimestamp64Nano({from:Int64}, 'UTC')
  AND l.valid_time < fromUnixTimestamp64Nano({until:Int64}, 'UTC')
  AND l.version >= transform(roundDown(toUnixTimestamp64Nano(l.valid_time), {step_starts:Array(Int64)}), {step_starts:Array(Int64)}, {step_hides:Array(UInt64)}, toUInt64(0))
ORDER BY l.valid_time, l.known_time DESC, l.version DESC
LIMIT 1 BY l.valid_time
) AS o
WHERE o.value IS NOT NULL
ORDER BY o.valid_time
