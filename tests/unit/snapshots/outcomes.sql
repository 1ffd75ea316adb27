SELECT o.event_id AS event_id, o.partition AS partition, o.version AS version, o.status AS status,
  o.body_hash AS body_hash, o.series_version AS series_version, o.reason AS reason, o.recorded_time AS recorded_time
FROM outcomes AS o
WHERE o.event_id IN {event_ids:Array(UUID)}
ORDER BY o.event_id, o.partition, o.version
LIMIT 1 BY o.event_id, o.partition, o.version
