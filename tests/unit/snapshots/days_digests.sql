SELECT intDiv(v.at - positiveModulo(v.at, 86400000000000), 86400000000000) AS day, lower(hex(MD5(concat(arrayStringConcat(groupArray(v.line), '\n'), '\n')))) AS md5
FROM (
SELECT toUnixTimestamp64Nano(r.valid_time) AS at, concat(toString(toUnixTimestamp64Nano(r.valid_time)), ',', toString(assumeNotNull(r.value))) AS line
FROM (
SELECT l.valid_time AS valid_time,
  l.value AS value
FROM points AS l
WHERE l.tenant = {tenant:UUID}
  AND l.series_id = {series_id:UUID}
  AND identity(l.version) < {version_until:UInt64}
  AND l.valid_time >= fromUnixTimestamp64Nano({from:Int64}, 'UTC')
  AND l.valid_time < fromUnixTimestamp64Nano({until:Int64}, 'UTC')
ORDER BY l.series_id, l.valid_time, l.known_time DESC, l.version DESC
LIMIT 1 BY l.series_id, l.valid_time
) AS r
WHERE r.value IS NOT NULL
) AS v
GROUP BY day
SETTINGS max_threads = 1
