SELECT (SELECT count() FROM (SELECT 1 FROM points AS l WHERE l.tenant = {tenant:UUID}
    AND l.version < {versions_until:Array(UInt64)}[l.partition + 1]
    AND l.known_time < fromUnixTimestamp64Nano({known_until:Int64}, 'UTC')
    AND l.known_time <= fromUnixTimestamp64Nano({as_of_known:Int64}, 'UTC')
    AND l.recorded_time <= fromUnixTimestamp64Nano({as_of_recorded:Int64}, 'UTC')
    AND l.run_id = {run_id:UUID}
    AND l.op != 0 LIMIT 1)) AS partial,
  (SELECT count() FROM (SELECT 1 FROM deletions AS d WHERE d.tenant = {tenant:UUID}
    AND d.version < {versions_until:Array(UInt64)}[d.partition + 1] LIMIT 1)) AS deleted,
  (SELECT count() FROM (SELECT 1 FROM points AS l WHERE l.tenant = {tenant:UUID}
    AND l.version < {versions_until:Array(UInt64)}[l.partition + 1]
    AND l.known_time < fromUnixTimestamp64Nano({known_until:Int64}, 'UTC')
    AND l.known_time <= fromUnixTimestamp64Nano({as_of_known:Int64}, 'UTC')
    AND l.recorded_time <= fromUnixTimestamp64Nano({as_of_recorded:Int64}, 'UTC')
    AND l.run_id = {run_id:UUID}
    LIMIT {layers_max:UInt64})) AS layers
