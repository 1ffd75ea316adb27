SELECT toInt32(toDate32(l.valid_time)) AS day, max(l.version) AS version, count() AS layers
FROM points AS l
WHERE l.tenant = {tenant:UUID}
  AND l.series_id = {series_id:UUID}
  AND identity(l.version) < {version_until:UInt64}
  AND l.valid_time >= fromUnixTimestamp64Nano({from:Int64}, 'UTC')
  AND l.valid_time < fromUnixTimestamp64Nano({until:Int64}, 'UTC')
GROUP BY day
ORDER BY day
