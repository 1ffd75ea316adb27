SELECT DISTINCT substringIndex(c.id, '/', 1) AS head
FROM (
SELECT e.id AS id, e.deleted AS deleted
FROM entities AS e
WHERE e.tenant = {tenant:UUID}
  AND e.kind = {kind:String}
  AND e.version < {versions_until:Array(UInt64)}[e.partition + 1]
ORDER BY e.id, e.version DESC
LIMIT 1 BY e.id
) AS c
WHERE NOT c.deleted
ORDER BY head
