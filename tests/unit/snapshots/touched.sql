SELECT DISTINCT t.tenant AS tenant, t.series_id AS series_id
FROM points AS t
WHERE t.version >= {version_min:UInt64}
  AND t.version >= {versions_from:Array(UInt64)}[t.partition + 1]
  AND t.version < {versions_until:Array(UInt64)}[t.partition + 1]
UNION ALL
SELECT DISTINCT t.tenant AS tenant, t.series_id AS series_id
FROM deletions AS t
WHERE t.version >= {version_min:UInt64}
  AND t.version >= {versions_from:Array(UInt64)}[t.partition + 1]
  AND t.version < {versions_until:Array(UInt64)}[t.partition + 1]
