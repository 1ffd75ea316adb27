SELECT max(d.version) AS version
FROM deletions AS d
WHERE d.tenant = {tenant:UUID}
  AND d.series_id = {series_id:UUID}
  AND identity(d.version) < {version_until:UInt64}
  AND (d.until > fromUnixTimestamp64Nano({from:Int64}, 'UTC') OR d.until = fromUnixTimestamp64Nano({no_end:Int64}, 'UTC'))
  AND d.`from` < fromUnixTimestamp64Nano({until:Int64}, 'UTC')
