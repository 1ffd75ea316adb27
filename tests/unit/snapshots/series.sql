SELECT c.series_id AS series_id, c.key AS key, c.name AS name, c.description AS description, c.unit AS unit, c.value_type AS value_type, c.tags AS tags, c.attributes AS attributes, c.labels AS labels, c.created_time AS created_time, c.changed_time AS changed_time, c.changed_by AS changed_by, c.version AS version
FROM (
SELECT
  s.series_id AS series_id,
  argMaxIf(s.key, s.version, bitTest(s.mask, 0)) AS key,
  tupleElement(argMaxIf(tuple(s.name), s.version, bitTest(s.mask, 1)), 1) AS name,
  tupleElement(argMaxIf(tuple(s.description), s.version, bitTest(s.mask, 2)), 1) AS description,
  tupleElement(argMaxIf(tuple(s.unit), s.version, bitTest(s.mask, 3)), 1) AS unit,
  ifNull(argMaxIf(s.value_type, s.version, bitTest(s.mask, 4)), 'number') AS value_type,
  argMaxIf(s.tags, s.version, bitTest(s.mask, 5)) AS tags,
  argMaxIf(s.attributes, s.version, bitTest(s.mask, 6)) AS attributes,
  argMaxIf(s.labels, s.version, bitTest(s.mask, 7)) AS labels,
  argMaxIf(s.deleted, s.version, bitTest(s.mask, 8)) AS deleted,
  arrayMin(r -> if(r.1 > maxIf(s.version, bitTest(s.mask, 8) AND s.deleted = 1), r.2, NULL), groupArray(tuple(s.version, s.recorded_time))) AS created_time,
  max(s.recorded_time) AS changed_time,
  argMax(s.changed_by, s.version) AS changed_by,
  max(s.version) AS version
FROM series AS s
WHERE s.tenant = {tenant:UUID}
  AND s.version < {versions_until:Array(UInt64)}[s.partition + 1]
  AND s.series_id IN {ids:Array(UUID)}
  AND s.series_id IN (
  SELECT c.series_id
  FROM (
SELECT
  s.series_id AS series_id,
  argMaxIf(s.key, s.version, bitTest(s.mask, 0)) AS key,
  tupleElement(argMaxIf(tuple(s.name), s.version, bitTest(s.mask, 1)), 1) AS name,
  argMaxIf(s.tags, s.version, bitTest(s.mask, 5)) AS tags,
  argMaxIf(s.attributes, s.version, bitTest(s.mask, 6)) AS attributes,
  argMaxIf(s.labels, s.version, bitTest(s.mask, 7)) AS labels,
  argMaxIf(s.deleted, s.version, bitTest(s.mask, 8)) AS deleted
FROM series AS s
WHERE s.tenant = {tenant:UUID}
  AND s.version < {versions_until:Array(UInt64)}[s.partition + 1]
  AND s.series_id IN {ids:Array(UUID)}
  AND s.series_id IN (SELECT s.series_id FROM series AS s WHERE s.tenant = {tenant:UUID} AND s.version < {versions_until:Array(UInt64)}[s.partition + 1] AND s.series_id IN {ids:Array(UUID)} AND s.key = {key:String})
GROUP BY s.series_id
SETTINGS optimize_aggregation_in_order = 1
) AS c
WHERE c.deleted = 0
  AND c.key = {key:String}
  AND startsWith(ifNull(c.name, ''), {name_prefix:String})
  AND hasAll(c.tags, {tags:Array(String)})
  AND arrayAll((k, v) -> mapContains(c.attributes, k) AND c.attributes[k] = v, {attributes_keys:Array(String)}, {attributes_values:Array(String)})
  AND arrayAll((k, v) -> mapContains(c.labels, k) AND c.labels[k] = v, {labels_keys:Array(String)}, {labels_values:Array(String)})
  AND (ifNull(c.key, '') > {after_key:String} OR (ifNull(c.key, '') = {after_key:String} AND c.series_id > {after_id:UUID}))
  ORDER BY ifNull(c.key, ''), c.series_id
  LIMIT {limit:UInt64})
GROUP BY s.series_id
) AS c
ORDER BY ifNull(c.key, ''), c.series_id
