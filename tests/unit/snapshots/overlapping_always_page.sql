SELECT c.series_id AS series_id,
  c.valid_time AS valid_time,
  c.value AS value,
  c.valid_time_end AS valid_time_end,
  c.known_time AS known_time,
  c.recorded_time AS recorded_time,
  nullIf(c.run_id, toUUID('00000000-0000-0000-0000-000000000000')) AS run_id,
  c.changed_by AS changed_by,
  c.annotation AS annotation,
  c.tags AS tags,
  c.version AS version
FROM (
SELECT
  l.series_id AS series_id,
  l.valid_time AS valid_time,
  l.known_time AS known_time,
  l.version AS version,
  l.recorded_time AS recorded_time,
  l.run_id AS run_id,
  l.changed_by AS changed_by,
  l.op AS op,
  l.mask AS mask,
  l.annotation AS annotation,
  l.tags AS tags,
  l.valid_time_end AS valid_time_end,
  multiIf(l.running IS NOT NULL, l.running,
    countIf(l.op = 1) OVER since = 0, tupleElement(argMaxIf(tuple(l.value), (bitShiftLeft(toInt128(toUnixTimestamp64Nano(l.known_time)), 64) + toInt128(l.version)), bitTest(l.mask, 0) AND l.op != 1) OVER since, 1),
    sumIf(ifNull(l.value, 0), bitTest(l.mask, 0)) OVER since) AS value,
  tupleElement(argMaxIf(tuple(l.text), (bitShiftLeft(toInt128(toUnixTimestamp64Nano(l.known_time)), 64) + toInt128(l.version)), bitTest(l.mask, 0) AND l.op != 1) OVER since, 1) AS text
FROM (
SELECT
  l.series_id AS series_id,
  l.valid_time AS valid_time,
  l.known_time AS known_time,
  l.version AS version,
  l.recorded_time AS recorded_time,
  l.run_id AS run_id,
  l.changed_by AS changed_by,
  l.op AS op,
  l.mask AS mask,
  l.value AS value,
  l.text AS text,
  tupleElement(argMaxIf(tuple(l.annotation), (bitShiftLeft(toInt128(toUnixTimestamp64Nano(l.known_time)), 64) + toInt128(l.version)), bitTest(l.mask, 1)) OVER up_to, 1) AS annotation,
  tupleElement(argMaxIf(tuple(l.tags), (bitShiftLeft(toInt128(toUnixTimestamp64Nano(l.known_time)), 64) + toInt128(l.version)), bitTest(l.mask, 2)) OVER up_to, 1) AS tags,
  tupleElement(argMaxIf(tuple(l.valid_time_end), (bitShiftLeft(toInt128(toUnixTimestamp64Nano(l.known_time)), 64) + toInt128(l.version)), bitTest(l.mask, 3)) OVER up_to, 1) AS valid_time_end,
  CAST(NULL, 'Nullable(Float64)') AS running,
  countIf(bitTest(l.mask, 0) AND l.op != 1) OVER up_to AS base
FROM (
SELECT
  l.series_id AS series_id,
  l.valid_time AS valid_time,
  l.known_time AS known_time,
  l.version AS version,
  l.recorded_time AS recorded_time,
  l.run_id AS run_id,
  l.changed_by AS changed_by,
  l.op AS op,
  l.mask AS mask,
  l.value AS value,
  l.text AS text,
  l.running AS running,
  l.annotation AS annotation,
  l.tags AS tags,
  l.valid_time_end AS valid_time_end
FROM points AS l
ASOF LEFT JOIN (
  SELECT s.series_id AS series_id, b AS at, arrayMax(arrayMap(r -> if(b >= r.1 AND (b < r.2 OR r.2 = fromUnixTimestamp64Nano({no_end:Int64}, 'UTC')), r.3, 0), s.ranges)) AS hides
  FROM (
    SELECT g.series_id AS series_id, groupArray(tuple(g.starts, g.ends, g.newest)) AS ranges
    FROM (
      SELECT d.series_id AS series_id, d.`from` AS starts, d.until AS ends, max(d.version) AS newest
      FROM deletions AS d
      WHERE d.tenant = {tenant:UUID}
        AND d.version < {versions_until:Array(UInt64)}[d.partition + 1]
        AND d.known_time < fromUnixTimestamp64Nano({known_until:Int64}, 'UTC')
        AND d.known_time <= fromUnixTimestamp64Nano({as_of_known:Int64}, 'UTC')
        AND d.recorded_time <= fromUnixTimestamp64Nano({as_of_recorded:Int64}, 'UTC')
      GROUP BY d.series_id, d.`from`, d.until) AS g
    GROUP BY g.series_id) AS s
  ARRAY JOIN arrayDistinct(arrayConcat(tupleElement(s.ranges, 1), tupleElement(s.ranges, 2))) AS b) AS h ON l.series_id = h.series_id AND l.valid_time >= h.at
WHERE l.tenant = {tenant:UUID}
  AND l.version < {versions_until:Array(UInt64)}[l.partition + 1]
  AND l.known_time < fromUnixTimestamp64Nano({known_until:Int64}, 'UTC')
  AND l.known_time <= fromUnixTimestamp64Nano({as_of_known:Int64}, 'UTC')
  AND l.recorded_time <= fromUnixTimestamp64Nano({as_of_recorded:Int64}, 'UTC')
  AND l.run_id = {run_id:UUID}
  AND l.version >= ifNull(h.hides, 0)
LIMIT 1 BY l.series_id, l.valid_time, l.known_time, l.version
) AS l
WINDOW up_to AS (
  PARTITION BY l.series_id, l.valid_time ORDER BY l.known_time, l.version ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
)
) AS l
WINDOW since AS (
  PARTITION BY l.series_id, l.valid_time, l.base ORDER BY l.known_time, l.version ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
)
) AS c
WHERE c.known_time >= fromUnixTimestamp64Nano({known_from:Int64}, 'UTC')
  AND c.known_time >= fromUnixTimestamp64Nano({after_known_time:Int64}, 'UTC')
  AND (c.known_time > fromUnixTimestamp64Nano({after_known_time:Int64}, 'UTC') OR (c.known_time = fromUnixTimestamp64Nano({after_known_time:Int64}, 'UTC') AND (c.valid_time > fromUnixTimestamp64Nano({after_valid_time:Int64}, 'UTC') OR (c.valid_time = fromUnixTimestamp64Nano({after_valid_time:Int64}, 'UTC') AND c.series_id > {after_series_id:UUID}))))
ORDER BY c.known_time, c.valid_time, c.series_id, c.version DESC
LIMIT 1 BY c.known_time, c.valid_time, c.series_id
LIMIT {limit:UInt64}
