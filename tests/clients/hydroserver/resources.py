"""A scene of session.py: every resource made, changed, found and deleted by the client's own calls, its filters as it writes them."""
# mypy: ignore-errors

from datetime import UTC, datetime

import pandas as pd
from station import made_datastream, made_workspace, refused

FIRST, LAST = (datetime(2026, 1, day, tzinfo=UTC) for day in (1, 3))


def resources(client, _source):
    workspace, parts = made_workspace(client, "Resources")
    stream, other = (made_datastream(client, parts, name) for name in ("Stream", "Other"))
    times = [one.isoformat() for one in (FIRST, LAST)]
    stream.load_observations(pd.DataFrame({"phenomenon_time": times, "result": [1.0, 2.0]}))
    answer = {"changed": changed(client, workspace, parts, stream), "found": found(client, workspace, parts)}
    stream.sync_phenomenon_end_time()
    answer["end"] = stream.phenomenon_end_time == LAST
    answer["used"] = refused(parts["unit"].delete)
    for one in (stream, other, parts["thing"], parts["unit"]):
        one.delete()
    left = [len(service.list(workspace=workspace).items) for service in (client.datastreams, client.things, client.units, client.sensors)]
    workspace.delete()
    return answer | {"left": left, "gone": refused(lambda: client.sensors.get(uid=parts["sensor"].uid))[:4]}


def changed(client, workspace, parts, stream):
    """What each is after its change, asked anew."""
    qualifier = client.resultqualifiers.create(code="ICE", description="ice", workspace=workspace)
    changes = (
        (client.workspaces, workspace, "is_private", True),
        (client.things, parts["thing"], "elevation_m", 7.0),
        (client.sensors, parts["sensor"], "sensor_model", "CS109"),
        (client.observedproperties, parts["observed_property"], "observed_property_type", "Hydrology"),
        (client.units, parts["unit"], "symbol", "K"),
        (client.processinglevels, parts["processing_level"], "code", "1"),
        (client.resultqualifiers, qualifier, "code", "SNOW"),
        (client.datastreams, stream, "is_visible", False),
    )
    for _, one, field, value in changes:
        setattr(one, field, value)
        one.save()
    return {field: getattr(service.get(uid=one.uid), field) for service, one, field, _ in changes}


def found(client, workspace, parts):
    """Names of the datastreams that each filter finds."""
    of_thing = {"thing": parts["thing"]}
    filters = {
        "workspace": {"workspace": workspace},
        "all parts": {name: parts[name] for name in ("sensor", "observed_property", "processing_level", "unit")} | of_thing,
        "counted": {"value_count_min": 1} | of_thing,
        "until": {"phenomenon_end_time_max": LAST} | of_thing,
        "before": {"phenomenon_end_time_max": FIRST} | of_thing,
        "from": {"phenomenon_begin_time_min": FIRST} | of_thing,
        "no status": {"status": None} | of_thing,
        "private": {"is_private": True} | of_thing,
        "ordered": {"order_by": ["-name"]} | of_thing,
        "page by page": {"page_size": 1, "fetch_all": True} | of_thing,
    }
    answer = {name: [one.name for one in client.datastreams.list(**asked).items] for name, asked in filters.items()}
    answer = {name: names if name == "ordered" else sorted(names) for name, names in answer.items()}
    near = client.things.list(workspace=workspace, bbox=(-112, 41, -111, 42), site_type="Atmosphere", order_by=["sampling_feature_code"])
    everybodys = [one for one in client.units.list(workspace=None).items if one.workspace_id is not None]
    return answer | {"near": len(near.items), "by thing": len(client.units.list(**of_thing).items), "everybody's": everybodys}
