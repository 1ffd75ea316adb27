SELECT c.valid_time AS valid_time,
  c.value AS value
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
WHERE l.tenant = {tenant:UUID}
  AND l.series_id = {series_id:UUID}
  AND identity(l.version) < {version_until:UInt64}
  AND l.valid_time >= fromUnixTimestamp64Nano({from:Int64}, 'UTC')
  AND l.valid_time < fromUnixTimestamp64Nano({until:Int64}, 'UTC')
  AND toUnixTimestamp64Nano(l.known_time) <= toInt128(toUnixTimestamp64Second(makeDateTime64(toYear(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), toMonth(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), toDayOfMonth(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), {hour:UInt8}, {minute:UInt8}, {second:UInt8}, 0, 0, {zone:String})) + {second_of_day:Int64} - toInt64(toHour(makeDateTime64(toYear(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), toMonth(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), toDayOfMonth(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), {hour:UInt8}, {minute:UInt8}, {second:UInt8}, 0, 0, {zone:String})) * 3600 + toMinute(makeDateTime64(toYear(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), toMonth(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), toDayOfMonth(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), {hour:UInt8}, {minute:UInt8}, {second:UInt8}, 0, 0, {zone:String})) * 60 + toSecond(makeDateTime64(toYear(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), toMonth(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), toDayOfMonth(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), {hour:UInt8}, {minute:UInt8}, {second:UInt8}, 0, 0, {zone:String})))) * 1000000000
  AND toInt32(toDate32(l.valid_time, {zone:String})) - toInt32({days:UInt32}) >= -25567
GROUP BY l.series_id, l.valid_time
) AS c
ORDER BY c.series_id, c.valid_time
