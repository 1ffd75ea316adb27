SELECT concat('', substring(lower(hex(toUInt64(toUnixTimestamp64Nano(o.valid_time)) + 9223372036854775808)), 1, 8), '-', substring(lower(hex(toUInt64(toUnixTimestamp64Nano(o.valid_time)) + 9223372036854775808)), 9, 4), '-8', substring(lower(hex(toUInt64(toUnixTimestamp64Nano(o.valid_time)) + 9223372036854775808)), 13, 3), '-9', substring(lower(hex(toUInt64(toUnixTimestamp64Nano(o.valid_time)) + 9223372036854775808)), 16, 1), {own_first:String}, '-', {own_rest:String}) AS id,
  {workspace:String} AS workspaceId,
  {datastream:String} AS datastreamId,
  concat(formatDateTime(o.valid_time, '%FT%T'), if(toUnixTimestamp64Nano(o.valid_time) % 1000000000 = 0, '', trim(TRAILING '0' FROM substring(toString(o.valid_time), 20))), 'Z') AS phenomenonTime,
  assumeNotNull(o.value) AS result,
  o.tags AS resultQualifierCodes
FROM (
SELECT l.valid_time AS valid_time, l.value AS value, l.tags AS tags
FROM points AS l
WHERE l.tenant = {tenant:UUID}
  AND l.series_id = {series_id:UUID}
  AND identity(l.version) < {version_until:UInt64}
  AND l.valid_time >= fromUnixTimestamp64Nano({from:Int64}, 'UTC')
  AND l.valid_time < fromUnixTimestamp64Nano({until:Int64}, 'UTC')
ORDER BY l.valid_time DESC, l.known_time DESC, l.version DESC
LIMIT 1 BY l.valid_time
) AS o
WHERE o.value IS NOT NULL AND hasAny(o.tags, {codes:Array(String)})
ORDER BY o.valid_time DESC
LIMIT {limit:UInt64} OFFSET {offset:UInt64}
