SELECT max(t.recorded) AS modified_time, argMax(t.by, t.version) AS modified_by,
  (SELECT argMin(l.changed_by, l.version)
FROM series AS l
WHERE l.tenant = {tenant:UUID}
  AND l.series_id = {series_id:UUID}
  AND identity(l.version) < {version_until:UInt64}) AS created_by
FROM (
SELECT max(l.version) AS version, max(l.recorded_time) AS recorded, argMax(l.changed_by, l.version) AS by
FROM points AS l
WHERE l.tenant = {tenant:UUID}
  AND l.series_id = {series_id:UUID}
  AND identity(l.version) < {version_until:UInt64}
UNION ALL
SELECT max(l.version) AS version, max(l.recorded_time) AS recorded, argMax(l.changed_by, l.version) AS by
FROM deletions AS l
WHERE l.tenant = {tenant:UUID}
  AND l.series_id = {series_id:UUID}
  AND identity(l.version) < {version_until:UInt64}
UNION ALL
SELECT max(l.version) AS version, max(l.recorded_time) AS recorded, argMax(l.changed_by, l.version) AS by
FROM series AS l
WHERE l.tenant = {tenant:UUID}
  AND l.series_id = {series_id:UUID}
  AND identity(l.version) < {version_until:UInt64}
) AS t
