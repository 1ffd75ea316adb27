SELECT l.valid_time AS valid_time,
  l.value AS value
FROM points AS l
WHERE l.tenant = {tenant:UUID}
  AND l.series_id = {series_id:UUID}
  AND l.version < {version_until:UInt64}
  AND l.valid_time >= fromUnixTimestamp64Nano({from:Int64}, 'UTC')
  AND l.valid_time < fromUnixTimestamp64Nano({until:Int64}, 'UTC')
  AND toUnixTimestamp64Nano(l.known_time) <= toInt128(toUnixTimestamp64Second((makeDateTime64(toYear((subtractDays((toDate32(l.valid_time, {zone:String}) AS local_day), {days:UInt32}) AS cut_day)), toMonth(cut_day), toDayOfMonth(cut_day), {hour:UInt8}, {minute:UInt8}, {second:UInt8}, 0, 0, {zone:String}) AS cut_at)) + {second_of_day:Int64} - toInt64(toHour(cut_at) * 3600 + toMinute(cut_at) * 60 + toSecond(cut_at))) * 1000000000
  AND toInt32(local_day) - toInt32({days:UInt32}) >= -25567
ORDER BY l.series_id, l.valid_time, l.known_time DESC, l.version DESC
LIMIT 1 BY l.series_id, l.valid_time
