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
  c.version AS version,
  c.op AS op,
  c.mask AS mask,
  CAST(NULL, 'Nullable(DateTime64(9, ''UTC''))') AS deleted_time
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
  if(l.version = max(l.version) OVER up_to, l.running, NULL) AS running,
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
WHERE l.tenant = {tenant:UUID}
  AND l.series_id = {series_id:UUID}
  AND identity(l.version) < {version_until:UInt64}
  AND l.valid_time >= fromUnixTimestamp64Nano({from:Int64}, 'UTC')
  AND l.valid_time < fromUnixTimestamp64Nano({until:Int64}, 'UTC')
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
ORDER BY c.series_id, c.valid_time, c.known_time, c.version
