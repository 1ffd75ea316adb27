SELECT *
FROM (
SELECT e.kind AS kind, e.id AS id, e.version AS version, e.document AS document, e.deleted AS deleted, e.recorded_time AS recorded_time, e.changed_by AS changed_by
FROM entities AS e
WHERE e.tenant = {tenant:UUID}
  AND e.kind = {kind:String}
  AND e.version < {versions_until:Array(UInt64)}[e.partition + 1]
  AND e.id = {id:String}
  AND startsWith(e.id, {prefix:String})
  AND substringIndex(e.id, '/', 1) IN {heads:Array(String)}
  AND e.entity_id IN {entity_ids:Array(UUID)}
  AND e.id > {after:String}
  AND e.recorded_time <= fromUnixTimestamp64Nano({as_of_recorded:Int64}, 'UTC')
ORDER BY e.id, e.version DESC
LIMIT 1 BY e.id
) AS c
WHERE NOT c.deleted
  AND (JSONExtractString(c.document, {field_0:String}) = {wanted_0:String} OR JSONExtractRaw(c.document, {field_0:String}) = {wanted_0:String})
  AND JSONHas(c.document, {has_0:String})
  AND (if(JSONType(c.document, {liked_0:String}) = 'String', JSONExtractString(c.document, {liked_0:String}), JSONExtractRaw(c.document, {liked_0:String})) LIKE {like_0_0:String} OR if(JSONType(c.document, {liked_0:String}) = 'String', JSONExtractString(c.document, {liked_0:String}), JSONExtractRaw(c.document, {liked_0:String})) LIKE {like_0_1:String})
ORDER BY c.id
LIMIT {limit:UInt64}
