"""Runs inside an environment that has hydroserverpy: one scene against the server at argv[1], as the user argv[2] with password argv[3];
what it was answered is one line of JSON, last. The client is not touched. Newer versions call `etltasks` what the guide calls `tasks`.
"""
# mypy: ignore-errors

import inspect
import io
import json
import sys
from datetime import UTC, datetime, timedelta

import pandas as pd
from hydroserverpy import HydroServer
from resources import resources
from station import ended, held, made_datastream, made_workspace, refused, statistics, tasks_of, told

ADDRESS, EMAIL, PASSWORD, SCENE, *MORE = sys.argv[1:]


def connected(**more):
    return HydroServer(host=ADDRESS, **(more or {"email": EMAIL, "password": PASSWORD}))


def guide(client, source):
    """The guide's blocks, in order."""
    workspace, parts = made_workspace(client, "Guide")
    streams = {name: made_datastream(client, parts, name) for name in ("Temperature", "Humidity", "Elsewhere")}
    answer = {
        "workspaces": [one.name for one in client.workspaces.list(is_associated=True).items],
        "datastreams": sorted(one.name for one in client.datastreams.list(workspace=str(workspace.uid)).items),
    }
    made = connections(client, str(workspace.uid), source)
    notification = made["notified"].notification
    answer["notification"] = [notification.recipient_emails, notification.schedule.interval_period]
    answer["placeholders"] = [[one.name, one.variable_type] for one in made["station"].placeholder_variables]
    ran = run_tasks(client, made, streams)
    answer |= ran["answer"]
    answer |= managed_connections(client, workspace, made, source)
    answer |= managed_tasks(client, workspace, made, ran)
    tasks = tasks_of(client)
    answer["mountain"] = mountain_loaded(client, tasks, made["mountain"], parts)
    answer["records"] = records_loaded(client, tasks, made["records"], parts)
    ran["station"].delete()
    answer["task deleted"] = refused(lambda: tasks.get(uid=str(ran["station"].uid)))[:4]
    return answer


def connections(client, workspace, source):
    create = client.dataconnections.create
    since = {"name": "start_date", "variable_type": "latest_observation_timestamp", "timestamp_format": "%Y-%m-%dT%H:%M:%S"}
    address = source + "/readings.csv?start={start_date}"
    return {
        "csv": create(
            name="My CSV Source",
            workspace=workspace,
            source_url=address,
            timestamp_key="Timestamp",
            payload_type="CSV",
            description="Hourly sensor readings.",
            timestamp_format="%Y-%m-%d %H:%M:%S",
            timezone_type="utc",
            header_row=1,
            data_start_row=2,
            delimiter=",",
            placeholder_variables=[since],
        ),
        "records": create(
            name="My JSON Source",
            workspace=workspace,
            source_url=source + "/readings.json",
            timestamp_key="datetime",
            payload_type="JSON",
            jmespath="data[*]",
        ),
        "mountain": create(
            name="Mountain Time Source",
            workspace=workspace,
            source_url=source + "/mountain.csv",
            timestamp_key="Time",
            payload_type="CSV",
            delimiter=";",
            timezone_type="iana",
            timezone="America/Denver",
        ),
        "incremental": create(
            name="Incremental CSV Source",
            workspace=workspace,
            source_url=address,
            timestamp_key="Timestamp",
            payload_type="CSV",
            placeholder_variables=[since],
        ),
        "station": create(
            name="Station API",
            workspace=workspace,
            source_url=source + "/{station_id}?as_of={run_time}",
            timestamp_key="timestamp",
            payload_type="JSON",
            jmespath="observations[*]",
            placeholder_variables=[
                {"name": "station_id", "variable_type": "per_task"},
                {"name": "run_time", "variable_type": "run_time", "timestamp_format": "%Y-%m-%dT%H:%M:%S"},
            ],
        ),
        "notified": create(
            name="Notified Source",
            workspace=workspace,
            source_url=source + "/readings.csv",
            timestamp_key="Timestamp",
            payload_type="CSV",
            notification={
                "recipient_emails": ["admin@example.com", "engineer@example.com"],
                "schedule": {"enabled": True, "interval": 1, "interval_period": "days"},
            },
        ),
    }


def mapping(column, stream):
    return {"source_identifier": column, "target_datastream_id": str(stream.uid)}


def run_tasks(client, made, streams):
    """Tasks of every schedule; those that run at once are triggered."""
    tasks, later = tasks_of(client), datetime.now(UTC) + timedelta(days=1)
    warm, damp = streams["Temperature"], streams["Humidity"]
    both = [mapping("Temperature", warm), mapping("Humidity", damp)]
    words = {"name": "Hourly Temperature and Humidity", "description": "Loads hourly readings from the station API."}
    hourly = {"interval": 1, "interval_period": "hours", "start_time": later, "enabled": True}
    first = tasks.create(data_connection=made["csv"].uid, mappings=both, **words, **hourly)
    station = tasks.create(
        name="Station 42 Temperature",
        data_connection=made["station"].uid,
        task_variables={"station_id": "station-42"},
        mappings=[mapping("Temperature", streams["Elsewhere"])],
        **hourly,
    )
    schedules = {
        "15-Minute Ingestion": {"interval": 15, "interval_period": "minutes", "start_time": later},
        "Six-Hour Ingestion": {"interval": 6, "interval_period": "hours", "start_time": later},
        "Daily Ingestion": {"interval": 1, "interval_period": "days", "start_time": later},
        "Nightly Ingestion": {"crontab": "0 2 * * *"},
    }
    scheduled = [
        tasks.create(name=name, data_connection=made["incremental"].uid, mappings=both, enabled=True, **when)
        for name, when in schedules.items()
    ]
    manual = tasks.create(name="Manual Ingestion", data_connection=made["csv"].uid, mappings=both)
    daily = {"interval": 1, "interval_period": "days", "start_time": later, "enabled": True}
    delayed = tasks.create(name="Delayed Start Task", data_connection=made["csv"].uid, mappings=both, **daily)
    task = tasks.get(uid=str(first.uid))
    triggered = task.trigger()
    run = ended(task, triggered)
    answer = {
        "schedules": [[one.crontab, one.interval, one.interval_period, one.next_run_at is not None] for one in scheduled],
        "delayed": [delayed.start_time == later, delayed.next_run_at >= later],
        "triggered": triggered.status,
        "run": told(run),
        "loaded": {"warm": held(client, warm), "damp": held(client, damp), "statistics": statistics(client, warm)},
    }
    again = ended(task, task.trigger())
    answer["again"] = [told(again), len(held(client, warm))]
    for one in (station, manual):
        ended(one, one.trigger())
    recent = task.list_runs(order_by=["-started_at"], page_size=10)
    ids = [str(one.id) for one in recent]
    answer["history"] = ids == [str(again.id), str(run.id)] and all(one.finished_at >= one.started_at for one in recent)
    answer["failed"] = len(task.list_runs(status="FAILURE"))
    answer["since"] = [len(task.list_runs(started_at_min=at)) for at in (datetime(2025, 1, 1, tzinfo=UTC), later)]
    answer["single"] = task.get_run(run_id=str(run.id)).status
    return {"answer": answer, "station": station, "manual": manual}


def managed_connections(client, workspace, made, source):
    listed = client.dataconnections.list
    answer = {
        "connections": {
            "page": len(listed().items) >= len(made),
            "all": len(listed(fetch_all=True).items) >= len(made),
            "of workspace": len(listed(workspace=str(workspace.uid)).items),
            "kinds": [len(listed(workspace=workspace.uid, payload_type=kind).items) for kind in ("CSV", "JSON")],
        }
    }
    found = client.dataconnections.get(uid=str(made["csv"].uid))
    answer["connection"] = [found.name, found.source_url, found.payload.payload_type]
    found.name, found.source_url = "Updated Name", source + "/new-endpoint.csv?start={start_date}"
    found.save()
    changed = client.dataconnections.get(uid=str(made["csv"].uid))
    answer["changed"] = [changed.name, changed.source_url, len(changed.placeholder_variables)]
    made["notified"].delete()
    answer["deleted"] = refused(lambda: client.dataconnections.get(uid=str(made["notified"].uid)))[:4]
    return answer


def managed_tasks(client, workspace, made, ran):
    tasks, manual = tasks_of(client), ran["manual"]
    answer = {"failing": told(ended(manual, manual.trigger()))[:2]}
    of_workspace = {"workspace": str(workspace.uid)}
    answer["tasks"] = {
        "all": len(tasks.list().items),
        "of workspace": len(tasks.list(**of_workspace).items),
        "of connection": sorted(one.name for one in tasks.list(data_connection=str(made["incremental"].uid)).items),
        "failed": [one.name for one in tasks.list(latest_run_status="FAILURE", **of_workspace).items],
        "successful": sorted(one.name for one in tasks.list(latest_run_status="SUCCESS", **of_workspace).items),
    }
    found = tasks.get(uid=str(ran["station"].uid))
    answer["task"] = [found.name, found.enabled, found.interval, found.interval_period]
    found.name, found.description, found.enabled = "Updated Task Name", "New description.", False
    found.task_variables["station_id"] = "station-99"
    found.save()
    found = tasks.get(uid=str(ran["station"].uid))
    identifiers = [one.source_identifier for one in found.mappings]
    answer["saved"] = [found.name, found.description, found.enabled, found.task_variables, identifiers]
    answer["station"] = told(ended(found, found.trigger()))[0]
    return answer


def mountain_loaded(client, tasks, connection, parts):
    target = made_datastream(client, parts, "Mountain")
    mappings = [{"source_identifier": "Temperature", "target_datastream_id": str(target.uid)}]
    task = tasks.create(name="Mountain", data_connection=connection.uid, mappings=mappings)
    return [told(ended(task, task.trigger()))[0], held(client, target)]


def records_loaded(client, tasks, connection, parts):
    target = made_datastream(client, parts, "Records")
    mappings = [{"source_identifier": "temperature", "target_datastream_id": str(target.uid)}]
    task = tasks.create(name="Records", data_connection=connection.uid, mappings=mappings)
    return [told(ended(task, task.trigger()))[0], len(held(client, target))]


def trouble(client, source):
    """What a run says of a source that is not as it was told."""
    workspace, parts = made_workspace(client, "Trouble")
    tasks, answer = tasks_of(client), {}
    cases = {
        "column": ("/readings.csv", "CSV", "Timestamp", "Temprature", {}),
        "time key": ("/readings.csv", "CSV", "When", "Temperature", {}),
        "time format": ("/readings.csv", "CSV", "Timestamp", "Temperature", {"timestamp_format": "%d/%m/%Y"}),
        "rows": ("/broken.csv", "CSV", "Timestamp", "Temperature", {"timezone_type": "utc"}),
        "expression": ("/readings.json", "JSON", "datetime", "temperature", {"jmespath": "nothing[*]"}),
        "gone": ("/nowhere.csv", "CSV", "Timestamp", "Temperature", {}),
        "key": ("/guarded.csv", "CSV", "Timestamp", "Temperature", {}),
        "with key": (
            "/guarded.csv",
            "CSV",
            "Timestamp",
            "Temperature",
            {"auth_header_name": "Authorization", "auth_header_value": MORE[1]},
        ),
    }
    if "auth_header_name" not in inspect.signature(client.dataconnections.create).parameters:
        del cases["with key"]  # an older client knows no keys of sources
    for name, (path, kind, key, column, more) in cases.items():
        target = made_datastream(client, parts, name)
        connection = client.dataconnections.create(
            name=name, workspace=workspace.uid, source_url=source + path, timestamp_key=key, payload_type=kind, **more
        )
        mappings = [{"source_identifier": column, "target_datastream_id": str(target.uid)}]
        task = tasks.create(name=name, data_connection=connection.uid, mappings=mappings)
        answer[name] = [*told(ended(task, task.trigger())), len(held(client, target))]
        if name == "with key":
            answer["hidden"] = MORE[1] not in str(client.dataconnections.get(uid=connection.uid).dict())
    address = {"workspace": workspace.uid, "source_url": source + "/{station}", "timestamp_key": "timestamp", "payload_type": "JSON"}
    by_task = [{"name": "station", "variable_type": "per_task"}]
    for name, variables in (("placeholder", []), ("variable", by_task)):
        connection = client.dataconnections.create(name=name, jmespath="observations[*]", placeholder_variables=variables, **address)
        task = tasks.create(name=name, data_connection=connection.uid, mappings=mappings)
        answer[name] = told(ended(task, task.trigger()))
    return answer


def observations(client, _source):
    """Every way to write and read them."""
    _, parts = made_workspace(client, "Observations")
    stream = made_datastream(client, parts, "Stream")
    times = pd.date_range("2024-03-01", periods=5, freq="h", tz="UTC")

    def frame(at, values):
        return pd.DataFrame({"phenomenon_time": [one.isoformat() for one in at], "result": values})

    stream.load_observations(frame(times, [1.0, 2.0, float("nan"), 4.0, 5.0]))
    twice = refused(lambda: stream.load_observations(frame(times[4:], [9.0])))
    early = refused(lambda: stream.load_observations(frame(times[4:], [9.0]), mode="append"))
    stream.load_observations(frame(times[4:] + pd.Timedelta("1h"), [6.0]), mode="append")
    stream.load_observations(frame(times[:1] - pd.Timedelta("1h"), [0.0]), mode="backfill")
    stream.load_observations(frame(times[1:2], [2.5]), mode="replace")
    now = held(client, stream)
    paged = client.datastreams.get_observations(uid=stream.uid, page_size=3)
    counted = [paged.page, paged.page_size, paged.total_pages, paged.total_count, len(paged.fetch_all().dataframe)]
    backwards = client.datastreams.get_observations(uid=stream.uid, order_by=["-phenomenonTime"], page_size=1).dataframe["result"].tolist()
    part = client.datastreams.get_observations(
        uid=stream.uid, phenomenon_time_min=times[1].to_pydatetime(), phenomenon_time_max=times[3].to_pydatetime()
    )
    known = statistics(client, client.datastreams.get(uid=stream.uid))
    stream.sync_phenomenon_end_time()
    client.resultqualifiers.create(code="ICE", description="Frozen", workspace=stream.workspace)
    coded = frame(times[2:4], [3.0, 4.0]).assign(result_qualifier_codes=[["ICE"], []])
    stream.load_observations(coded, mode="replace")
    frozen = client.datastreams.get_observations(uid=stream.uid, result_qualifier_code="ICE")
    unknown = refused(lambda: stream.load_observations(coded.assign(result_qualifier_codes=[["NO"], ["NONE"]]), mode="replace"))
    stream.delete_observations(phenomenon_time_start=times[3].to_pydatetime())
    return {
        "twice": twice,
        "early": early,
        "held": now,
        "paged": counted,
        "backwards": backwards,
        "part": part.dataframe["result"].tolist(),
        "statistics": known,
        "synced": stream.phenomenon_end_time.isoformat(),
        "frozen": [frozen.total_count, frozen.dataframe["result"].tolist(), frozen.dataframe["result_qualifier_codes"].tolist()],
        "unknown": unknown,
        "left": held(client, stream),
        "statistics left": statistics(client, client.datastreams.get(uid=stream.uid)),
    }


def site(client, _source):
    """Tags, attachments, filters, roles, collaborators and keys."""
    workspace, parts = made_workspace(client, "Site")
    thing, stream = parts["thing"], made_datastream(client, parts, "Stream")
    thing.add_tag("owner", "USU")
    thing.update_tag("owner", "Utah State University")
    thing.add_file_attachment(io.BytesIO(b"a photo"), "Photo")
    tags = client.things.get(uid=thing.uid).tags
    thing.delete_tag("owner")
    thing.name = "Renamed"
    thing.save()
    roles = {role.name: role for role in client.roles.list(is_apikey_role=True, fetch_all=True).items}
    reader = next(role for name, role in roles.items() if "view" in name.lower())
    key, secret = workspace.create_api_key(name="for a program", role=reader)
    by_key = connected(apikey=secret)
    read = [one.name for one in by_key.datastreams.list(workspace=workspace).items]
    wrote = refused(
        lambda: by_key.things.create(
            workspace=workspace,
            name="x",
            description="x",
            sampling_feature_type="Site",
            sampling_feature_code="x",
            site_type="x",
            is_private=False,
            latitude=1,
            longitude=1,
        )
    )
    workspace.delete_api_key(key.uid)
    return {
        "tags": tags,
        "thing": [client.things.get(uid=thing.uid).name, client.things.get(uid=thing.uid).tags],
        "by tag": [one.name for one in client.things.list(workspace=workspace, tag=("basin", "Logan")).items],
        "datastream": [stream.unit.symbol, stream.sensor.name, stream.thing.name, stream.no_data_value],
        "roles": sorted(roles),
        "key": [read, wrote[:4], refused(connected(apikey=secret).things.list)[:4]],
        "wrong password": refused(lambda: connected(email=EMAIL, password="wrong"))[:4],
        "wrong key": refused(connected(apikey="wrong").things.list),
    }


print(
    json.dumps(
        {"guide": guide, "trouble": trouble, "observations": observations, "site": site, "resources": resources}[SCENE](
            connected(), *MORE[:1]
        )
    )
)
