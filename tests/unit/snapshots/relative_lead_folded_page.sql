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
  argMax(l.known_time, (bitShiftLeft(toInt128(toUnixTimestamp64Nano(l.known_time)), 64) + toInt128(l.version))) AS known_time,
  argMax(l.version, (bitShiftLeft(toInt128(toUnixTimestamp64Nano(l.known_time)), 64) + toInt128(l.version))) AS version,
  argMax(l.recorded_time, (bitShiftLeft(toInt128(toUnixTimestamp64Nano(l.known_time)), 64) + toInt128(l.version))) AS recorded_time,
  argMax(l.run_id, (bitShiftLeft(toInt128(toUnixTimestamp64Nano(l.known_time)), 64) + toInt128(l.version))) AS run_id,
  argMax(l.changed_by, (bitShiftLeft(toInt128(toUnixTimestamp64Nano(l.known_time)), 64) + toInt128(l.version))) AS changed_by,
  tupleElement(argMaxIf(tuple(l.value), (bitShiftLeft(toInt128(toUnixTimestamp64Nano(l.known_time)), 64) + toInt128(l.version)), bitTest(l.mask, 0) AND l.op != 1), 1) AS base,
  groupArrayIf(tuple((bitShiftLeft(toInt128(toUnixTimestamp64Nano(l.known_time)), 64) + toInt128(l.version)), ifNull(l.value, 0)), l.op = 1) AS adds,
  maxOrNullIf((bitShiftLeft(toInt128(toUnixTimestamp64Nano(l.known_time)), 64) + toInt128(l.version)), bitTest(l.mask, 0) AND l.op != 1) AS set_last,
  arrayMap(o -> ifNull(o > set_last, 1), adds.1) AS later,
  multiIf(NOT has(later, 1), base, NOT (has(later, 0) OR countIf(l.op = 1 AND l.value != floor(l.value)) > 0 OR ifNull(base, 0) != floor(ifNull(base, 0)) OR sumIf(abs(l.value), l.op = 1) + abs(ifNull(base, 0)) > 9007199254740992), ifNull(base, 0) + sumIf(ifNull(l.value, 0), l.op = 1), arraySum(arrayPushFront(tupleElement(arraySort(if(NOT (has(later, 0) OR countIf(l.op = 1 AND l.value != floor(l.value)) > 0 OR ifNull(base, 0) != floor(ifNull(base, 0)) OR sumIf(abs(l.value), l.op = 1) + abs(ifNull(base, 0)) > 9007199254740992), [], arrayFilter((a, counts) -> counts, adds, later))), 2), ifNull(base, 0)))) AS value,
  tupleElement(argMaxIf(tuple(l.text), (bitShiftLeft(toInt128(toUnixTimestamp64Nano(l.known_time)), 64) + toInt128(l.version)), bitTest(l.mask, 0) AND l.op != 1), 1) AS text,
  tupleElement(argMaxIf(tuple(l.annotation), (bitShiftLeft(toInt128(toUnixTimestamp64Nano(l.known_time)), 64) + toInt128(l.version)), bitTest(l.mask, 1)), 1) AS annotation,
  tupleElement(argMaxIf(tuple(l.tags), (bitShiftLeft(toInt128(toUnixTimestamp64Nano(l.known_time)), 64) + toInt128(l.version)), bitTest(l.mask, 2)), 1) AS tags,
  tupleElement(argMaxIf(tuple(l.valid_time_end), (bitShiftLeft(toInt128(toUnixTimestamp64Nano(l.known_time)), 64) + toInt128(l.version)), bitTest(l.mask, 3)), 1) AS valid_time_end
FROM points AS l FINAL
WHERE l.tenant = {tenant:UUID}
  AND l.version < {versions_until:Array(UInt64)}[l.partition + 1]
  AND l.known_time < fromUnixTimestamp64Nano({known_until:Int64}, 'UTC')
  AND l.known_time <= fromUnixTimestamp64Nano({as_of_known:Int64}, 'UTC')
  AND l.recorded_time <= fromUnixTimestamp64Nano({as_of_recorded:Int64}, 'UTC')
  AND l.run_id = {run_id:UUID}
  AND toUnixTimestamp64Nano(l.known_time) <= toUnixTimestamp64Nano(l.valid_time) - {lead:Int64}
  AND l.valid_time >= fromUnixTimestamp64Nano({after_valid_time:Int64}, 'UTC')
GROUP BY l.series_id, l.valid_time
) AS c
WHERE c.known_time >= fromUnixTimestamp64Nano({known_from:Int64}, 'UTC')
  AND c.valid_time >= fromUnixTimestamp64Nano({after_valid_time:Int64}, 'UTC')
  AND (c.valid_time > fromUnixTimestamp64Nano({after_valid_time:Int64}, 'UTC') OR (c.valid_time = fromUnixTimestamp64Nano({after_valid_time:Int64}, 'UTC') AND c.series_id > {after_series_id:UUID}))
ORDER BY c.valid_time, c.series_id
LIMIT {limit:UInt64}
