SELECT l.valid_time AS valid_time,
  l.value AS value
FROM points AS l
LEFT JOIN (
  SELECT d.series_id AS series_id, arraySort(groupArray(tuple(d.version, d.`from`, d.until, d.known_time, d.recorded_time))) AS deletions
  FROM deletions AS d
  WHERE d.tenant = {tenant:UUID}
    AND d.series_id = {series_id:UUID}
    AND identity(d.version) < {version_until:UInt64}
    AND (d.until > fromUnixTimestamp64Nano({from:Int64}, 'UTC') OR d.until = fromUnixTimestamp64Nano({no_end:Int64}, 'UTC'))
    AND d.`from` < fromUnixTimestamp64Nano({until:Int64}, 'UTC')
  GROUP BY d.series_id) AS h ON l.series_id = h.series_id
WHERE l.tenant = {tenant:UUID}
  AND l.series_id = {series_id:UUID}
  AND identity(l.version) < {version_until:UInt64}
  AND l.valid_time >= fromUnixTimestamp64Nano({from:Int64}, 'UTC')
  AND l.valid_time < fromUnixTimestamp64Nano({until:Int64}, 'UTC')
  AND toUnixTimestamp64Nano(l.known_time) <= toInt128(toUnixTimestamp64Second(makeDateTime64(toYear(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), toMonth(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), toDayOfMonth(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), {hour:UInt8}, {minute:UInt8}, {second:UInt8}, 0, 0, {zone:String})) + {second_of_day:Int64} - toInt64(toHour(makeDateTime64(toYear(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), toMonth(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), toDayOfMonth(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), {hour:UInt8}, {minute:UInt8}, {second:UInt8}, 0, 0, {zone:String})) * 3600 + toMinute(makeDateTime64(toYear(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), toMonth(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), toDayOfMonth(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), {hour:UInt8}, {minute:UInt8}, {second:UInt8}, 0, 0, {zone:String})) * 60 + toSecond(makeDateTime64(toYear(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), toMonth(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), toDayOfMonth(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), {hour:UInt8}, {minute:UInt8}, {second:UInt8}, 0, 0, {zone:String})))) * 1000000000
  AND toInt32(toDate32(l.valid_time, {zone:String})) - toInt32({days:UInt32}) >= -25567
  AND NOT arrayExists(x -> x.1 > l.version AND l.valid_time >= x.2 AND (l.valid_time < x.3 OR x.3 = fromUnixTimestamp64Nano({no_end:Int64}, 'UTC')) AND toUnixTimestamp64Nano(x.4) <= toInt128(toUnixTimestamp64Second(makeDateTime64(toYear(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), toMonth(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), toDayOfMonth(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), {hour:UInt8}, {minute:UInt8}, {second:UInt8}, 0, 0, {zone:String})) + {second_of_day:Int64} - toInt64(toHour(makeDateTime64(toYear(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), toMonth(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), toDayOfMonth(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), {hour:UInt8}, {minute:UInt8}, {second:UInt8}, 0, 0, {zone:String})) * 3600 + toMinute(makeDateTime64(toYear(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), toMonth(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), toDayOfMonth(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), {hour:UInt8}, {minute:UInt8}, {second:UInt8}, 0, 0, {zone:String})) * 60 + toSecond(makeDateTime64(toYear(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), toMonth(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), toDayOfMonth(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), {hour:UInt8}, {minute:UInt8}, {second:UInt8}, 0, 0, {zone:String})))) * 1000000000, h.deletions)
ORDER BY l.series_id, l.valid_time, l.known_time DESC, l.version DESC
LIMIT 1 BY l.series_id, l.valid_time
