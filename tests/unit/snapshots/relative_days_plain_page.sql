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
  AND toUnixTimestamp64Nano(l.known_time) <= toInt128(toUnixTimestamp64Second(makeDateTime64(toYear(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), toMonth(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), toDayOfMonth(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), {hour:UInt8}, {minute:UInt8}, {second:UInt8}, 0, 0, {zone:String})) + {second_of_day:Int64} - toInt64(toHour(makeDateTime64(toYear(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), toMonth(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), toDayOfMonth(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), {hour:UInt8}, {minute:UInt8}, {second:UInt8}, 0, 0, {zone:String})) * 3600 + toMinute(makeDateTime64(toYear(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), toMonth(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), toDayOfMonth(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), {hour:UInt8}, {minute:UInt8}, {second:UInt8}, 0, 0, {zone:String})) * 60 + toSecond(makeDateTime64(toYear(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), toMonth(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), toDayOfMonth(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), {hour:UInt8}, {minute:UInt8}, {second:UInt8}, 0, 0, {zone:String})))) * 1000000000
  AND toInt32(toDate32(l.valid_time, {zone:String})) - toInt32({days:UInt32}) >= -25567
  AND l.known_time >= fromUnixTimestamp64Nano({known_from:Int64}, 'UTC')
  AND l.valid_time >= fromUnixTimestamp64Nano({after_valid_time:Int64}, 'UTC')
  AND (l.valid_time > fromUnixTimestamp64Nano({after_valid_time:Int64}, 'UTC') OR (l.valid_time = fromUnixTimestamp64Nano({after_valid_time:Int64}, 'UTC') AND l.series_id > {after_series_id:UUID}))
ORDER BY l.valid_time, l.series_id, l.known_time DESC, l.version DESC
LIMIT 1 BY l.valid_time, l.series_id
LIMIT {limit:UInt64}
