SELECT toUnixTimestamp64Nano(o.valid_time) AS at
FROM (
SELECT l.valid_time AS valid_time, l.value AS value, l.tags AS tags
FROM points AS l
ASOF LEFT JOIN (
  SELECT s.series_id AS series_id, b AS at, arrayMax(arrayMap(r -> if(b >= r.1 AND (b < r.2 OR r.2 = fromUnixTimestamp64Nano({no_end:Int64}, 'UTC')), r.3, 0), s.ranges)) AS hides
  FROM (
    SELECT g.series_id AS series_id, groupArray(tuple(g.starts, g.ends, g.newest)) AS ranges
    FROM (
      SELECT d.series_id AS series_id, d.`from` AS starts, d.until AS ends, max(d.version) AS newest
      FROM deletions AS d
      WHERE d.tenant = {tenant:UUID}
        AND d.series_id = {series_id:UUID}
        AND identity(d.version) < {version_until:UInt64}
        AND (d.until > fromUnixTimestamp64Nano({from:Int64}, 'UTC') OR d.until = fromUnixTimestamp64Nano({no_end:Int64}, 'UTC'))
        AND d.`from` < fromUnixTimestamp64Nano({until:Int64}, 'UTC')
      GROUP BY d.series_id, d.`from`, d.until) AS g
    GROUP BY g.series_id) AS s
  ARRAY JOIN arrayDistinct(arrayConcat(tupleElement(s.ranges, 1), tupleElement(s.ranges, 2))) AS b) AS h ON l.series_id = h.series_id AND l.valid_time >= h.at
WHERE l.tenant = {tenant:UUID}
  AND l.series_id = {series_id:UUID}
  AND identity(l.version) < {version_until:UInt64}
  AND l.valid_time >= fromUnixTimestamp64Nano({from:Int64}, 'UTC')
  AND l.valid_time < fromUnixTimestamp64Nano({until:Int64}, 'UTC')
  AND l.version >= ifNull(h.hides, 0)
ORDER BY l.valid_time, l.known_time DESC, l.version DESC
LIMIT 1 BY l.valid_time
) AS o
WHERE o.value IS NOT NULL
ORDER BY o.valid_time
