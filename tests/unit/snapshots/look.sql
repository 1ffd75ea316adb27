SELECT (SELECT count() FROM (SELECT 1 FROM points AS l WHERE l.tenant = {tenant:UUID}
    AND l.series_id = {series_id:UUID}
    AND identity(l.version) < {version_until:UInt64}
    AND l.valid_time >= fromUnixTimestamp64Nano({from:Int64}, 'UTC')
    AND l.valid_time < fromUnixTimestamp64Nano({until:Int64}, 'UTC')
    AND l.op != 0 LIMIT 1)) AS partial,
  (SELECT groupArray(tuple(g.starts, g.ends, g.newest)) FROM (
    SELECT toUnixTimestamp64Nano(d.`from`) AS starts, toUnixTimestamp64Nano(d.until) AS ends, max(d.version) AS newest FROM deletions AS d WHERE d.tenant = {tenant:UUID}
    AND d.series_id = {series_id:UUID}
    AND identity(d.version) < {version_until:UInt64}
    AND (d.until > fromUnixTimestamp64Nano({from:Int64}, 'UTC') OR d.until = fromUnixTimestamp64Nano({no_end:Int64}, 'UTC'))
    AND d.`from` < fromUnixTimestamp64Nano({until:Int64}, 'UTC')
    GROUP BY starts, ends LIMIT {ranges_max:UInt64}) AS g) AS deletions
