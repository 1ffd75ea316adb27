SELECT v.series_id AS series_id, v.value_type AS value_type FROM (
SELECT s.series_id AS series_id, ifNull(argMaxIf(s.value_type, s.version, bitTest(s.mask, 4)), '') AS value_type, argMaxIf(s.deleted, s.version, bitTest(s.mask, 8)) AS deleted
FROM series AS s
WHERE s.tenant = {tenant:UUID}
  AND s.series_id IN {ids:Array(UUID)}
GROUP BY s.series_id
) AS v
WHERE v.deleted = 0
