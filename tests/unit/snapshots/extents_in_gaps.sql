SELECT f.series_id AS series_id, count() AS count, min(f.at) AS first, max(f.at) AS last
FROM (
  SELECT f.series_id AS series_id, toUnixTimestamp64Nano(f.valid_time) AS at
  FROM (
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
  l.version AS version
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
LIMIT {limit:UInt64}
  ) AS f
  WHERE f.value IS NOT NULL) AS f
ASOF JOIN (SELECT arrayJoin(arrayZip({gap_series:Array(UUID)}, {gap_from:Array(Int64)}, {gap_until:Array(Int64)})) AS gap, gap.1 AS series_id, gap.2 AS from_, gap.3 AS until) AS g
  ON f.series_id = g.series_id AND f.at >= g.from_
WHERE f.at < g.until OR g.until = {no_end:Int64}
GROUP BY f.series_id
