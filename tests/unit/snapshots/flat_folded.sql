SELECT c.valid_time AS valid_time,
  c.value AS value
FROM (
SELECT
  l.series_id AS series_id,
  l.valid_time AS valid_time,
  argMax(tuple(l.known_time, l.version, l.recorded_time, l.run_id, l.changed_by, l.running), (l.known_time, l.version)) AS newest,
  argMaxIf(tuple(l.value, l.text, toUnixTimestamp64Nano(l.known_time), l.version), (l.known_time, l.version), bitTest(l.mask, 0) AND l.op != 1) AS base,
  groupArrayIf(tuple(toUnixTimestamp64Nano(l.known_time), l.version, ifNull(l.value, 0)), l.op = 1) AS adds,
  arrayMap((k, v) -> base.4 = 0 OR k > base.3 OR (k = base.3 AND v > base.4), adds.1, adds.2) AS later,
  tupleElement(newest, 1) AS known_time,
  tupleElement(newest, 2) AS version,
  tupleElement(newest, 3) AS recorded_time,
  tupleElement(newest, 4) AS run_id,
  tupleElement(newest, 5) AS changed_by,
  multiIf(newest.6 IS NOT NULL AND newest.2 = max(l.version), newest.6, NOT has(later, 1), base.1, ifNull(base.1, 0) + arrayReduce('sumKahanIf', adds.3, later)) AS value,
  base.2 AS text,
  tupleElement(argMaxIf(tuple(l.annotation), (l.known_time, l.version), bitTest(l.mask, 1)), 1) AS annotation,
  tupleElement(argMaxIf(tuple(l.tags), (l.known_time, l.version), bitTest(l.mask, 2)), 1) AS tags,
  tupleElement(argMaxIf(tuple(l.valid_time_end), (l.known_time, l.version), bitTest(l.mask, 3)), 1) AS valid_time_end
FROM points AS l FINAL
WHERE l.tenant = {tenant:UUID}
  AND l.series_id = {series_id:UUID}
  AND identity(l.version) < {version_until:UInt64}
  AND l.valid_time >= fromUnixTimestamp64Nano({from:Int64}, 'UTC')
  AND l.valid_time < fromUnixTimestamp64Nano({until:Int64}, 'UTC')
GROUP BY l.series_id, l.valid_time
) AS c
ORDER BY c.series_id, c.valid_time
