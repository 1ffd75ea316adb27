"""What the scenes stand on: a weather station in a workspace of its own, and how they look at what became of it."""
# mypy: ignore-errors

import threading
import time
import uuid


def tasks_of(client):
    return client.etltasks if hasattr(type(client), "etltasks") else client.tasks


def refused(work):
    try:
        work()
    except Exception as error:  # noqa: BLE001 - whatever the client makes of it
        return str(error)
    return "nothing was refused"


def made_workspace(client, name):
    workspace = client.workspaces.create(name=f"{name} {uuid.uuid4()}", is_private=False)
    thing = client.things.create(
        workspace=workspace,
        name="Weather station",
        description="At the outlet",
        sampling_feature_type="Site",
        sampling_feature_code="WS1",
        site_type="Atmosphere",
        is_private=False,
        latitude=41.7,
        longitude=-111.8,
        elevation_m=1400,
        elevation_datum="WGS84",
        admin_area_1="Utah",
        country="US",
    )
    thing.add_tag("basin", "Logan")
    sensor = client.sensors.create(
        name="Thermometer",
        description="In the shade",
        encoding_type="application/json",
        method_type="Instrument deployment",
        workspace=workspace,
    )
    kind = client.observedproperties.create(
        name="Air temperature",
        definition="https://example.com/t",
        description="Of the air",
        observed_property_type="Climate",
        code="T",
        workspace=workspace,
    )
    level = client.processinglevels.create(code="0", definition="Raw", explanation="As it came", workspace=workspace)
    unit = client.units.create(
        name="Degree Celsius", symbol="°C", definition="https://example.com/c", unit_type="Temperature", workspace=workspace
    )
    return workspace, {"thing": thing, "sensor": sensor, "observed_property": kind, "processing_level": level, "unit": unit}


def made_datastream(client, parts, name):
    return client.datastreams.create(
        name=name,
        description=f"{name} of the station",
        observation_type="Field observation",
        result_type="Time series coverage",
        sampled_medium="Air",
        no_data_value=-9999,
        aggregation_statistic="Continuous",
        time_aggregation_interval=1,
        time_aggregation_interval_unit="hours",
        intended_time_spacing=1,
        intended_time_spacing_unit="hours",
        **parts,
    )


def ended(task, run):
    deadline = time.monotonic() + 120
    while (now := task.get_run(run_id=run.id)).status in ("PENDING", "STARTED"):
        assert time.monotonic() < deadline, f"the run is {now.status} for two minutes"
        threading.Event().wait(0.1)  # between two questions
    return now


def held(client, datastream):
    found = client.datastreams.get_observations(uid=datastream.uid, fetch_all=True).dataframe
    return [[at.isoformat(), value] for at, value in zip(found["phenomenon_time"], found["result"], strict=True)]


def told(run):
    return [run.status, run.message, run.result]


def statistics(client, datastream):
    now = client.datastreams.get(uid=datastream.uid)
    times = [None if at is None else at.isoformat() for at in (now.phenomenon_begin_time, now.phenomenon_end_time)]
    return [now.value_count, *times]
