SELECT *
FROM (
SELECT
  r.run_id AS run_id,
  if(countIf(r.state = 'sealed') > 0, 'sealed', 'opened') AS state,
  argMax(r.workflow_id, r.version) AS workflow_id,
  argMax(r.known_time, r.version) AS known_time,
  argMax(r.started, r.version) AS started,
  argMax(r.finished, r.version) AS finished,
  argMax(r.params, r.version) AS params,
  argMax(r.points, r.version) AS points,
  min(r.recorded_time) AS opened_time,
  argMin(r.changed_by, r.version) AS changed_by,
  max(r.version) AS version
FROM runs AS r
WHERE r.tenant = {tenant:UUID}
  AND r.version < {versions_until:Array(UInt64)}[r.partition + 1]
  AND r.run_id IN {ids:Array(UUID)}
GROUP BY r.run_id
) AS c
WHERE c.workflow_id = {workflow_id:String}
  AND c.state = {state:String}
  AND (c.opened_time < fromUnixTimestamp64Nano({after_opened:Int64}, 'UTC') OR (c.opened_time = fromUnixTimestamp64Nano({after_opened:Int64}, 'UTC') AND c.run_id > {after_id:UUID}))
ORDER BY c.opened_time DESC, c.run_id
LIMIT {limit:UInt64}
