"""Data connections, tasks and runs over HTTP, without a loader: what both clients need, what is never told, what refuses."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.integration.guarded_server import TENANT, Guarded
from tests.integration.test_api_hydroserver import API, datastream_of, made, refused, thing_of, told, vocabulary

CONNECTIONS, TASKS = "etl/data-connections", "etl/tasks"
SECRET = "Bearer a-secret-of-the-source"
RUN = "hydroserver-task-run"


def connection_of(workspace: str, **more: Any) -> dict[str, Any]:
    """As 1.12.2 sends one."""
    payload = {"type": "CSV", "timestampKey": "Timestamp", "timestampFormat": None, "headerRow": 1, "dataStartRow": 2, "delimiter": ","}
    return {
        "name": "My CSV Source", "description": None, "sourceUrl": "https://api.example.com/r.csv?start={start}", "workspaceId": workspace,
        "timezoneType": None, "timezone": None, "authHeaderName": None, "authHeaderValue": None, "payload": payload,
        "placeholderVariables": [{"name": "start", "type": "latest_observation_timestamp", "timestampFormat": "%Y-%m-%dT%H:%M:%S"}],
    } | more  # fmt: skip


class Site:
    """A workspace with a connection and two datastreams."""

    def __init__(self, http: httpx.Client, **more: Any) -> None:
        self.http = http
        self.workspace = str(made(http, "workspaces", {"name": f"Rivers {uuid.uuid4()}", "is_private": False})["id"])
        self.thing = str(made(http, "things", thing_of(self.workspace))["id"])
        named = vocabulary(http, self.workspace)
        self.streams = [str(made(http, "datastreams", datastream_of(self.thing, named, name=name))["id"]) for name in ("Warm", "Damp")]
        self.connection = made(http, CONNECTIONS, connection_of(self.workspace, **more))

    def task(self, name: str = "Hourly", **more: Any) -> dict[str, Any]:
        mappings = [{"sourceIdentifier": "Temperature", "targetDatastreamId": self.streams[0]}]
        return made(self.http, TASKS, {"name": name, "dataConnectionId": self.connection["id"], "mappings": mappings} | more)

    def run(self, task: str, status: str, started: str, **more: Any) -> str:
        """As a loader leaves one."""
        ident = str(uuid.uuid4())
        body = {"status": status, "taskId": task, "requestedAt": started, "startedAt": started, "finishedAt": None} | more
        assert self.http.put(f"/api/v1/entities/{RUN}/{task}/{ident}", json=body).status_code == 200
        return ident


@pytest.fixture
def site(http: httpx.Client) -> Site:
    return Site(http)


def one(site: Site, path: str, ident: str) -> str:
    return f"{API}/{path}/{ident}"


def test_a_connection_answers_in_the_words_of_both_clients(http: httpx.Client, site: Site) -> None:
    found = told(http.get(one(site, CONNECTIONS, site.connection["id"])))
    assert (found["workspace"]["id"], found["timezoneType"], found["taskCount"]) == (site.workspace, None, 0)
    assert found["payload"] | {"type": "CSV", "timestampKey": "Timestamp", "delimiter": ","} == found["payload"]
    older = {
        "name": "Older", "sourceUrl": "https://api.example.com/r.json", "workspaceId": site.workspace,
        "timestamp": {"key": "datetime", "format": None, "timezoneType": "utc", "timezone": None},
        "payload": {"type": "JSON", "jmespath": "data[*]"}, "placeholderVariables": [],
    }  # fmt: skip
    found = made(http, CONNECTIONS, older)
    assert found["timestamp"] == {"key": "datetime", "format": None, "timezoneType": "utc", "timezone": None}
    assert found["timezoneType"] is None, "1.12.2 refuses an utc here"
    assert found["payload"] == {
        "type": "JSON", "timestampKey": "datetime", "timestampFormat": None, "jmespath": "data[*]", "dataIngestionWindow": None,
    }  # fmt: skip
    kinds = [[each["name"] for each in told(http.get(f"{API}/{CONNECTIONS}", params={"payload_type": kind}))] for kind in ("CSV", "JSON")]
    assert kinds == [["My CSV Source"], ["Older"]]
    assert told(http.get(f"{API}/{CONNECTIONS}", params={"workspace_id": str(uuid.uuid4())})) == []


def test_what_a_connection_is_not_told_stays(http: httpx.Client, site: Site) -> None:
    path = one(site, CONNECTIONS, site.connection["id"])
    changed = told(http.patch(path, json={"name": "Other", "payload": {"type": "CSV", "timestampKey": "Time"}}))
    assert (changed["name"], changed["sourceUrl"]) == ("Other", site.connection["sourceUrl"])
    assert (changed["payload"]["timestampKey"], changed["payload"]["dataStartRow"]) == ("Time", 2)
    assert changed["placeholderVariables"] == site.connection["placeholderVariables"]
    notified = {
        "recipient_emails": ["b@example.com", "a@example.com"],
        "schedule": {"enabled": True, "interval": 1, "interval_period": "days"},
    }
    changed = told(http.patch(path, json={"notification": notified}))["notification"]
    assert changed["recipientEmails"] == ["a@example.com", "b@example.com"]
    assert (changed["schedule"]["intervalPeriod"], changed["schedule"]["nextRunAt"] is None) == ("days", False)
    assert told(http.patch(path, json={"notification": {"recipient_emails": []}}))["notification"] is None


def test_a_header_s_value_is_told_to_nobody(http: httpx.Client) -> None:
    site = Site(http, authHeaderName="Authorization", authHeaderValue=SECRET)
    ident = site.connection["id"]
    path = one(site, CONNECTIONS, ident)
    assert (site.connection["authHeaderName"], site.connection["authHeaderValue"]) == ("Authorization", None)
    changed = told(http.patch(path, json={"name": "Saved as it was read"}))
    assert changed["authHeaderName"] == "Authorization"
    document = http.get(f"/api/v1/entities/hydroserver-data-connection/{ident}").json()["document"]
    assert document["authHeaderSealed"]
    for text in (http.get(path).text, str(document), http.get(f"/api/v1/entity-versions/hydroserver-data-connection/{ident}").text):
        assert SECRET not in text and "secret" not in text
    assert "say both" in refused(http.post(f"{API}/{CONNECTIONS}", json=connection_of(site.workspace, authHeaderValue="x")), 400)
    assert "say both" in refused(http.post(f"{API}/{CONNECTIONS}", json=connection_of(site.workspace, authHeaderName="X")), 400)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"timezoneType": "iana", "timezone": "America/Dnver"}, "no IANA time zone"),
        ({"timezoneType": "iana"}, "timezone is missing"),
        ({"sourceUrl": "ftp://example.com/x"}, "sourceUrl"),
        ({"payload": {"type": "JSON", "timestampKey": "t", "jmespath": "data[*"}}, "no JMESPath expression"),
        ({"payload": {"type": "XML", "timestampKey": "t"}}, "type"),
        ({"payload": {"type": "CSV", "timestampKey": "t", "headerRow": 3, "dataStartRow": 2}}, "data start below it"),
        ({"payload": {"type": "CSV", "timestampKey": "t", "delimiter": "x"}}, "delimiter"),
        ({"placeholderVariables": [{"name": "a", "type": "per_task"}] * 2}, "'a' stands there twice"),
        ({"notification": {"recipientEmails": ["a@example.com"]}}, "a schedule is needed"),
        ({"notification": {"recipientEmails": ["nobody"], "schedule": {"interval": 1, "intervalPeriod": "days"}}}, "recipientEmails"),
    ],
)
def test_a_connection_that_cannot_work_is_refused_in_words(http: httpx.Client, site: Site, change: dict[str, Any], words: str) -> None:
    assert words in refused(http.post(f"{API}/{CONNECTIONS}", json=connection_of(site.workspace, **change)), 422)


def test_a_task_names_its_connection_and_datastreams_by_id_and_whole(http: httpx.Client, site: Site) -> None:
    task = site.task(schedule={"enabled": True, "interval": 1, "intervalPeriod": "hours", "startTime": None, "crontab": None})
    assert task == told(http.get(one(site, TASKS, task["id"]), params={"expand_related": "True"}))
    assert task["dataConnectionId"] == task["dataConnection"]["id"] == site.connection["id"]
    (mapping,) = task["mappings"]
    assert mapping["targetDatastreamId"] == mapping["targetDatastream"]["id"] == site.streams[0]
    assert mapping["targetDatastream"]["name"] == "Warm"
    following = datetime.fromisoformat(task["schedule"]["nextRunAt"]) - datetime.now(UTC)
    assert timedelta(minutes=58) < following <= timedelta(hours=1)
    assert (task["latestRun"], task["workspace"]["id"], task["taskVariables"]) == (None, site.workspace, {})
    path = one(site, TASKS, task["id"])
    saved: dict[str, Any] = {"name": "Saved", "description": None, "taskVariables": {"station": "42"}, "schedule": {"crontab": "0 2 * * *"}}
    saved["mappings"] = [{"source_identifier": "Humidity", "target_datastream_id": site.streams[1]}]
    changed = told(http.patch(path, json=saved))
    assert (changed["schedule"]["crontab"], changed["schedule"]["interval"]) == ("0 2 * * *", None)
    assert [one["sourceIdentifier"] for one in changed["mappings"]] == ["Humidity"]
    assert told(http.patch(path, json={"schedule": {"enabled": False}}))["schedule"]["nextRunAt"] is None
    assert told(http.patch(path, json={"schedule": None}))["schedule"] is None
    assert told(http.get(one(site, CONNECTIONS, site.connection["id"])))["taskCount"] == 1
    assert http.delete(path).status_code == 204
    assert "there is no ingestion task" in refused(http.get(path), 404)


def test_a_task_that_cannot_work_is_refused_in_words(http: httpx.Client, site: Site) -> None:
    body = {"name": "t", "dataConnectionId": site.connection["id"], "mappings": []}
    for change, words in (
        ({"schedule": {"interval": 1, "crontab": "0 * * * *", "intervalPeriod": "days"}}, "a crontab and an interval"),
        ({"schedule": {"interval": 1}}, "interval_period"),
        ({"schedule": {"interval": 0, "intervalPeriod": "days"}}, "say 1 to"),
        ({"schedule": {"crontab": "61 * * * *"}}, "crontab '61 * * * *'"),
        ({"schedule": {"crontab": "0 2 * *"}}, "has 4 fields"),
    ):
        assert words in refused(http.post(f"{API}/{TASKS}", json=body | change), 422)
    nowhere = [{"sourceIdentifier": "x", "targetDatastreamId": str(uuid.uuid4())}]
    assert "there is no datastream" in refused(http.post(f"{API}/{TASKS}", json=body | {"mappings": nowhere}), 400)
    both = [{"sourceIdentifier": name, "targetDatastreamId": site.streams[0]} for name in ("Temperature", "Humidity")]
    assert "'Temperature' and 'Humidity' go to one datastream" in refused(http.post(f"{API}/{TASKS}", json=body | {"mappings": both}), 422)
    other = Site(http)
    elsewhere = [{"sourceIdentifier": "x", "targetDatastreamId": other.streams[0]}]
    assert "in the connection's workspace" in refused(http.post(f"{API}/{TASKS}", json=body | {"mappings": elsewhere}), 400)
    assert "there is no data connection" in refused(http.post(f"{API}/{TASKS}", json=body | {"dataConnectionId": str(uuid.uuid4())}), 400)


def test_runs_are_triggered_listed_filtered_ordered_and_paged(http: httpx.Client, site: Site) -> None:
    task = site.task()["id"]
    times = [f"2026-01-0{day}T00:00:00Z" for day in (1, 2, 3)]
    ended = [site.run(task, "SUCCESS", times[0], finishedAt=times[0], message="Loaded 3", result={"rowsRead": 3})]
    ended += [site.run(task, "FAILURE", at, finishedAt=at) for at in times[1:]]
    triggered = told(http.post(f"{API}/{TASKS}/{task}/trigger"), 202)
    assert (triggered["status"], triggered["finishedAt"]) == ("PENDING", None)
    path = f"{API}/{TASKS}/{task}/runs"

    def listed(**asked: Any) -> list[str]:
        return [run["id"] for run in told(http.get(path, params=asked))]

    assert listed() == [triggered["id"], *reversed(ended)]
    assert listed(order_by="startedAt", page_size=2) == ended[:2]
    answer = http.get(path, params={"order_by": "-startedAt", "page_size": 3, "page": 2})
    assert ([run["id"] for run in told(answer)], answer.headers["X-Total-Count"], answer.headers["X-Total-Pages"]) == (ended[:1], "4", "2")
    assert listed(status="FAILURE") == [ended[2], ended[1]]
    assert listed(status=["SUCCESS", "PENDING"]) == [triggered["id"], ended[0]]
    assert listed(started_at_min="2026-01-02 00:00:00+00:00", started_at_max="2026-01-02 00:00:00+00:00") == [ended[1]]
    assert listed(finished_at_min=times[2]) == [ended[2]]
    found = told(http.get(f"{path}/{ended[0]}"))
    assert (found["message"], found["result"], found["startedAt"]) == ("Loaded 3", {"rowsRead": 3}, times[0])
    assert "there is no task run" in refused(http.get(f"{path}/{uuid.uuid4()}"), 404)
    assert "is none of PENDING" in refused(http.get(path, params={"status": "DONE"}), 422)


def test_tasks_are_found_by_how_their_latest_run_went(http: httpx.Client, site: Site) -> None:
    well, badly, never = (site.task(name)["id"] for name in ("well", "badly", "never"))
    site.run(well, "FAILURE", "2026-01-01T00:00:00Z", finishedAt="2026-01-01T00:01:00Z")
    site.run(well, "SUCCESS", "2026-01-02T00:00:00Z", finishedAt="2026-01-02T00:01:00Z")
    site.run(badly, "FAILURE", "2026-01-03T00:00:00Z", finishedAt="2026-01-03T00:01:00Z")

    def listed(**asked: Any) -> list[str]:
        found = told(http.get(f"{API}/{TASKS}", params={"expand_related": "True", "order_by": "name"} | asked))
        return [task["name"] for task in found]

    assert listed() == ["badly", "never", "well"]
    assert listed(latest_run_status="FAILURE") == ["badly"]
    assert listed(latest_run_status="SUCCESS") == ["well"]
    assert listed(latest_run_status="null") == ["never"]
    assert listed(latest_run_started_at_min="2026-01-02 12:00:00+00:00") == ["badly"]
    assert listed(order_by="-latestRunStartedAt", latest_run_finished_at_max="2026-02-01T00:00:00Z") == ["badly", "well"]
    assert listed(data_connection_id=str(uuid.uuid4())) == []
    assert listed(thing_id=site.thing) == ["badly", "never", "well"]
    connection = told(http.get(one(site, CONNECTIONS, site.connection["id"])))
    assert (connection["taskCount"], connection["taskAttentionCount"]) == (3, 1)
    assert told(http.get(one(site, TASKS, well)))["latestRun"]["status"] == "SUCCESS"
    assert told(http.get(one(site, TASKS, never)))["latestRun"] is None


def test_a_connection_goes_with_its_tasks(http: httpx.Client, site: Site) -> None:
    task = site.task()["id"]
    assert http.delete(one(site, CONNECTIONS, site.connection["id"])).status_code == 204
    assert http.get(one(site, TASKS, task)).status_code == 404


def test_the_loader_is_told_of_all_tenants_and_then_of_what_came(guarded: Guarded) -> None:
    site = Site(httpx.Client(base_url=guarded.served.url, headers={"X-API-Key": guarded.keys["write"]}, timeout=60))
    task = site.task()["id"]
    first = told(guarded.operator.get("/api/v1/loading"))
    named = {(row["tenant"], row["id"]) for row in first["documents"]}
    assert {(TENANT, task), (TENANT, site.connection["id"])} <= named
    nothing = told(guarded.operator.get("/api/v1/loading", params={"since": first["watermark"]}))
    assert nothing["documents"] == []
    run = told(site.http.post(f"{API}/{TASKS}/{task}/trigger"), 202)["id"]
    more = told(guarded.operator.get("/api/v1/loading", params={"since": first["watermark"], "seconds": 5}))
    assert [(row["kind"], row["id"], row["document"]["status"]) for row in more["documents"]] == [(RUN, f"{task}/{run}", "PENDING")]
    assert told(guarded.operator.get("/api/v1/loading", params={"since": more["watermark"]}))["documents"] == []
    assert guarded.client("admin").get("/api/v1/loading").status_code == 403
    assert f"{task}/{run}" in {row["id"] for row in told(guarded.operator.get("/api/v1/loading"))["documents"]}
    site.run(task, "SUCCESS", "2026-01-01T00:00:00Z")
    assert [row["kind"] for row in told(guarded.operator.get("/api/v1/loading"))["documents"]].count(RUN) == 1


def test_who_only_reads_asks_for_no_run_and_sees_no_other_tenant_s(guarded: Guarded) -> None:
    site = Site(httpx.Client(base_url=guarded.served.url, headers={"X-API-Key": guarded.keys["write"]}, timeout=60))
    task = site.task()["id"]
    assert guarded.client("read").post(f"{API}/{TASKS}/{task}/trigger").status_code == 403
    other = guarded.client("other")
    assert told(other.get(f"{API}/{TASKS}")) == told(other.get(f"{API}/{CONNECTIONS}")) == []
    assert other.get(f"{API}/{TASKS}/{task}").status_code == 404
