SELECT c.valid_time AS valid_time,
  c.value AS value
FROM (
SELECT
  l.series_id AS series_id,
  l.valid_time AS valid_time,
  tupleElement(argMax(tuple(l.known_time, l.version, l.recorded_time, l.run_id, l.changed_by), (l.known_time, l.version)), 1) AS known_time,
  tupleElement(argMax(tuple(l.known_time, l.version, l.recorded_time, l.run_id, l.changed_by), (l.known_time, l.version)), 2) AS version,
  tupleElement(argMax(tuple(l.known_time, l.version, l.recorded_time, l.run_id, l.changed_by), (l.known_time, l.version)), 3) AS recorded_time,
  tupleElement(argMax(tuple(l.known_time, l.version, l.recorded_time, l.run_id, l.changed_by), (l.known_time, l.version)), 4) AS run_id,
  tupleElement(argMax(tuple(l.known_time, l.version, l.recorded_time, l.run_id, l.changed_by), (l.known_time, l.version)), 5) AS changed_by,
  tupleElement(argMaxIf(tuple(l.value, l.text), (l.known_time, l.version), bitTest(l.mask, 0)), 1) AS value,
  tupleElement(argMaxIf(tuple(l.value, l.text), (l.known_time, l.version), bitTest(l.mask, 0)), 2) AS text,
  tupleElement(argMaxIf(tuple(l.annotation), (l.known_time, l.version), bitTest(l.mask, 1)), 1) AS annotation,
  tupleElement(argMaxIf(tuple(l.tags), (l.known_time, l.version), bitTest(l.mask, 2)), 1) AS tags,
  tupleElement(argMaxIf(tuple(l.valid_time_end), (l.known_time, l.version), bitTest(l.mask, 3)), 1) AS valid_time_end
FROM points AS l
WHERE l.tenant = {tenant:UUID}
  AND l.series_id = {series_id:UUID}
  AND l.version < {version_until:UInt64}
  AND l.valid_time >= fromUnixTimestamp64Nano({from:Int64}, 'UTC')
  AND l.valid_time < fromUnixTimestamp64Nano({until:Int64}, 'UTC')
GROUP BY l.series_id, l.valid_time
) AS c
ORDER BY c.series_id, c.valid_time
