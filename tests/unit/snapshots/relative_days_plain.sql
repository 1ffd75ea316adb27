SELECT l.valid_time AS valid_time,
  l.value AS value
FROM points AS l
WHERE l.tenant = {tenant:UUID}
  AND l.series_id = {series_id:UUID}
  AND identity(l.version) < {version_until:UInt64}
  AND l.valid_time >= fromUnixTimestamp64Nano({from:Int64}, 'UTC')
  AND l.valid_time < fromUnixTimestamp64Nano({until:Int64}, 'UTC')
  AND toUnixTimestamp64Nano(l.known_time) <= toInt128(toUnixTimestamp64Second(makeDateTime64(toYear(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), toMonth(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), toDayOfMonth(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), {hour:UInt8}, {minute:UInt8}, {second:UInt8}, 0, 0, {zone:String})) + {second_of_day:Int64} - toInt64(toHour(makeDateTime64(toYear(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), toMonth(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), toDayOfMonth(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), {hour:UInt8}, {minute:UInt8}, {second:UInt8}, 0, 0, {zone:String})) * 3600 + toMinute(makeDateTime64(toYear(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), toMonth(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), toDayOfMonth(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), {hour:UInt8}, {minute:UInt8}, {second:UInt8}, 0, 0, {zone:String})) * 60 + toSecond(makeDateTime64(toYear(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), toMonth(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), toDayOfMonth(subtractDays(toDate32(l.valid_time, {zone:String}), {days:UInt32})), {hour:UInt8}, {minute:UInt8}, {second:UInt8}, 0, 0, {zone:String})))) * 1000000000
  AND toInt32(toDate32(l.valid_time, {zone:String})) - toInt32({days:UInt32}) >= -25567
ORDER BY l.series_id, l.valid_time, l.known_time DESC, l.version DESC
LIMIT 1 BY l.series_id, l.valid_time
