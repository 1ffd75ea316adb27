indexHint((l.series_id IN {n0_series:Array(UUID)} AND l.valid_time < fromUnixTimestamp64Nano({n0_until:Int64}, 'UTC'))
    OR (l.series_id IN {n1_series:Array(UUID)} AND l.valid_time >= fromUnixTimestamp64Nano({n1_from:Int64}, 'UTC')))
