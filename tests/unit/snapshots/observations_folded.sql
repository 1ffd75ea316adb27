SELECT concat(formatDateTime(o.valid_time, '%FT%T'), if(toUnixTimestamp64Nano(o.valid_time) % 1000000000 = 0, '', trim(TRAILING '0' FROM substring(toString(o.valid_time), 20))), 'Z') AS phenomenonTime,
  assumeNotNull(o.value) AS result,
  o.tags AS resultQualifierCodes
FROM (
SELECT
  l.series_id AS series_id,
  l.valid_time AS valid_time,
  argMax(l.known_time, (bitShiftLeft(toInt128(toUnixTimestamp64Nano(l.known_time)), 64) + toInt128(l.version))) AS known_time,
  argMax(l.version, (bitShiftLeft(toInt128(toUnixTimestamp64Nano(l.known_time)), 64) + toInt128(l.version))) AS version,
  argMax(l.recorded_time, (bitShiftLeft(toInt128(toUnixTimestamp64Nano(l.known_time)), 64) + toInt128(l.version))) AS recorded_time,
  argMax(l.run_id, (bitShiftLeft(toInt128(toUnixTimestamp64Nano(l.known_time)), 64) + toInt128(l.version))) AS run_id,
  argMax(l.changed_by, (bitShiftLeft(toInt128(toUnixTimestamp64Nano(l.known_time)), 64) + toInt128(l.version))) AS changed_by,
  tupleElement(argMaxIf(tuple(l.value), (bitShiftLeft(toInt128(toUnixTimestamp64Nano(l.known_time)), 64) + toInt128(l.version)), bitTest(l.mask, 0) AND l.op != 1), 1) AS base,
  groupArrayIf(tuple((bitShiftLeft(toInt128(toUnixTimestamp64Nano(l.known_time)), 64) + toInt128(l.version)), ifNull(l.value, 0)), l.op = 1) AS adds,
  maxOrNullIf((bitShiftLeft(toInt128(toUnixTimestamp64Nano(l.known_time)), 64) + toInt128(l.version)), bitTest(l.mask, 0) AND l.op != 1) AS set_last,
  arrayMap(o -> ifNull(o > set_last, 1), adds.1) AS later,
  multiIf(tupleElement(argMax(tuple(l.running), (bitShiftLeft(toInt128(toUnixTimestamp64Nano(l.known_time)), 64) + toInt128(l.version))), 1) IS NOT NULL AND argMax(l.version, (bitShiftLeft(toInt128(toUnixTimestamp64Nano(l.known_time)), 64) + toInt128(l.version))) = max(l.version), tupleElement(argMax(tuple(l.running), (bitShiftLeft(toInt128(toUnixTimestamp64Nano(l.known_time)), 64) + toInt128(l.version))), 1), NOT has(later, 1), base, NOT (has(later, 0) OR countIf(l.op = 1 AND l.value != floor(l.value)) > 0 OR ifNull(base, 0) != floor(ifNull(base, 0)) OR sumIf(abs(l.value), l.op = 1) + abs(ifNull(base, 0)) > 9007199254740992), ifNull(base, 0) + sumIf(ifNull(l.value, 0), l.op = 1), arraySum(arrayPushFront(tupleElement(arraySort(if(NOT (has(later, 0) OR countIf(l.op = 1 AND l.value != floor(l.value)) > 0 OR ifNull(base, 0) != floor(ifNull(base, 0)) OR sumIf(abs(l.value), l.op = 1) + abs(ifNull(base, 0)) > 9007199254740992), [], arrayFilter((a, counts) -> counts, adds, later))), 2), ifNull(base, 0)))) AS value,
  tupleElement(argMaxIf(tuple(l.text), (bitShiftLeft(toInt128(toUnixTimestamp64Nano(l.known_time)), 64) + toInt128(l.version)), bitTest(l.mask, 0) AND l.op != 1), 1) AS text,
  tupleElement(argMaxIf(tuple(l.annotation), (bitShiftLeft(toInt128(toUnixTimestamp64Nano(l.known_time)), 64) + toInt128(l.version)), bitTest(l.mask, 1)), 1) AS annotation,
  tupleElement(argMaxIf(tuple(l.tags), (bitShiftLeft(toInt128(toUnixTimestamp64Nano(l.known_time)), 64) + toInt128(l.version)), bitTest(l.mask, 2)), 1) AS tags,
  tupleElement(argMaxIf(tuple(l.valid_time_end), (bitShiftLeft(toInt128(toUnixTimestamp64Nano(l.known_time)), 64) + toInt128(l.version)), bitTest(l.mask, 3)), 1) AS valid_time_end
FROM points AS l FINAL
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
GROUP BY l.series_id, l.valid_time
) AS o
WHERE o.value IS NOT NULL
ORDER BY o.valid_time
LIMIT {limit:UInt64} OFFSET {offset:UInt64}
