"""HydroServer's door over HTTP, without its client: resources, lists, what refuses. tests/clients/hydroserver asks it with the real one."""

import uuid
from typing import Any

import httpx
import pytest

API = "/api/data"


def made(http: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = http.post(f"{API}/{path}", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def told(answer: httpx.Response, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()


def refused(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    return str(answer.json()["detail"])


def thing_of(workspace_id: str, **more: Any) -> dict[str, Any]:
    """As the client sends one."""
    return {
        "id": None, "name": "Logan River", "description": "below the dam", "samplingFeatureType": "Site", "samplingFeatureCode": "LR1",
        "siteType": "Stream", "isPrivate": False, "dataDisclaimer": None, "workspaceId": workspace_id,
        "location": {"latitude": 41.7, "longitude": -111.8, "elevation_m": 1400, "elevationDatum": None, "adminArea1": "Utah"},
        "tags": [{"key": "river", "value": "Logan"}],
    } | more  # fmt: skip


def vocabulary(http: httpx.Client, workspace_id: str | None) -> dict[str, str]:
    """One of each, by the field in which a datastream names it."""
    bodies = {
        "observed-properties": {"name": "Temperature", "definition": "", "description": "of water", "type": "Hydrology", "code": "WT"},
        "units": {"name": "degree Celsius", "symbol": "°C", "definition": "", "type": "Temperature"},
        "sensors": {"name": "CS109", "description": "thermistor", "encodingType": "text/plain", "methodType": "Instrument"},
        "processing-levels": {"code": "0"},
    }
    names = ("observedPropertyId", "unitId", "sensorId", "processingLevelId")
    made_of = [made(http, path, body | {"workspaceId": workspace_id})["id"] for path, body in bodies.items()]
    return dict(zip(names, made_of, strict=True))


def datastream_of(thing_id: str, named: dict[str, str], **more: Any) -> dict[str, Any]:
    return {
        "id": None, "name": "Water temperature", "description": "raw", "thingId": thing_id, "observationType": "OM_Measurement",
        "resultType": "Time Series Coverage", "sampledMedium": "Water", "noDataValue": -9999, "aggregationStatistic": "Average",
        "timeAggregationInterval": 15, "timeAggregationIntervalUnit": "minutes", "status": None, "valueCount": None, "isPrivate": False,
        "isVisible": True, "tags": [],
    } | named | more  # fmt: skip


@pytest.fixture
def workspace(http: httpx.Client) -> str:
    return str(made(http, "workspaces", {"id": None, "name": "Rivers", "is_private": False})["id"])


def test_a_workspace_is_made_found_changed_and_deleted(http: httpx.Client) -> None:
    one = made(http, "workspaces", {"id": None, "name": "Rivers", "is_private": True})
    assert (one["name"], one["isPrivate"], one["owner"]["email"]) == ("Rivers", True, "anonymous@example.com")
    path = f"{API}/workspaces/{one['id']}"
    assert told(http.get(path)) == one
    changed = told(http.patch(path, json={"name": "Streams"}))
    assert (changed["name"], changed["isPrivate"]) == ("Streams", True)
    assert "has a workspace 'Streams' already" in refused(http.post(f"{API}/workspaces", json={"name": "Streams", "isPrivate": False}), 409)
    assert [each["name"] for each in told(http.get(f"{API}/workspaces", params={"is_private": "True"}))] == ["Streams"]
    assert told(http.get(f"{API}/workspaces", params={"is_private": "False", "is_associated": "True"})) == []
    assert http.delete(path).status_code == 204
    assert "there is no workspace" in refused(http.get(path), 404)


def test_a_datastream_is_a_series_of_the_same_id(http: httpx.Client, workspace: str) -> None:
    thing = made(http, "things", thing_of(workspace))
    one = made(http, "datastreams", datastream_of(thing["id"], vocabulary(http, workspace)))
    assert (one["workspaceId"], one["thingId"], one["noDataValue"]) == (workspace, thing["id"], -9999)
    series = told(http.get(f"/api/v1/series/{one['id']}"))
    assert (series["name"], series["unit"], series["value_type"]) == ("Water temperature", "°C", "number")
    changed = told(http.patch(f"{API}/datastreams/{one['id']}", json={"name": "Stage", "valueCount": 7}))
    assert changed["name"] == "Stage" and changed["valueCount"] != 7
    assert told(http.get(f"/api/v1/series/{one['id']}"))["name"] == "Stage"
    assert http.delete(f"{API}/datastreams/{one['id']}").status_code == 204
    assert http.get(f"/api/v1/series/{one['id']}").status_code == 404
    assert refused(http.get(f"{API}/datastreams/{one['id']}"), 404)


def test_a_datastream_names_what_is_in_its_workspace_or_in_none(http: httpx.Client, workspace: str) -> None:
    thing = made(http, "things", thing_of(workspace))
    named = vocabulary(http, None)
    assert made(http, "datastreams", datastream_of(thing["id"], named))["unitId"] == named["unitId"]
    other = str(made(http, "workspaces", {"name": "Lakes", "isPrivate": False})["id"])
    foreign = vocabulary(http, other)
    for name in named:
        words = refused(http.post(f"{API}/datastreams", json=datastream_of(thing["id"], named | {name: foreign[name]})), 400)
        assert words.startswith(f"{name}: there is no")
    words = refused(http.post(f"{API}/datastreams", json=datastream_of(str(uuid.uuid4()), named)), 400)
    assert words.startswith("thingId: there is no thing")


def test_what_a_datastream_uses_is_not_deleted(http: httpx.Client, workspace: str) -> None:
    thing, named = made(http, "things", thing_of(workspace)), vocabulary(http, workspace)
    made(http, "datastreams", datastream_of(thing["id"], named))
    assert "datastreams use this unit" in refused(http.delete(f"{API}/units/{named['unitId']}"), 409)
    assert http.delete(f"{API}/things/{thing['id']}").status_code == 204  # with its datastreams
    assert told(http.get(f"{API}/datastreams")) == []
    assert http.delete(f"{API}/units/{named['unitId']}").status_code == 204


def test_deleting_a_workspace_deletes_all_that_is_in_it(http: httpx.Client, workspace: str) -> None:
    thing, named = made(http, "things", thing_of(workspace)), vocabulary(http, workspace)
    one = made(http, "datastreams", datastream_of(thing["id"], named))
    assert http.delete(f"{API}/workspaces/{workspace}").status_code == 204
    for path in ("things", "datastreams", "units", "sensors", "observed-properties", "processing-levels"):
        assert told(http.get(f"{API}/{path}")) == []
    assert http.get(f"/api/v1/series/{one['id']}").status_code == 404


def test_a_things_location_is_changed_field_by_field(http: httpx.Client, workspace: str) -> None:
    one = made(http, "things", thing_of(workspace))
    assert one["location"]["elevation_m"] == 1400
    changed = told(http.patch(f"{API}/things/{one['id']}", json={"location": {"latitude": 42}, "siteType": "Lake"}))
    assert (changed["location"]["latitude"], changed["location"]["longitude"], changed["siteType"]) == (42, -111.8, "Lake")
    assert changed["tags"] == one["tags"]
    assert "latitude" in refused(http.patch(f"{API}/things/{one['id']}", json={"location": {"latitude": 99}}), 422)


def test_lists_are_ordered_cut_and_tell_their_place(http: httpx.Client, workspace: str) -> None:
    for number in range(5):
        made(http, "things", thing_of(workspace, samplingFeatureCode=f"S{number % 2}", name=f"n{number}"))
    asked: dict[str, Any] = {"order_by": ["-samplingFeatureCode", "name"], "page": 2, "page_size": 2}
    answer = http.get(f"{API}/things", params=asked)
    assert [row["name"] for row in told(answer)] == ["n0", "n2"]
    assert [answer.headers[name] for name in ("X-Page", "X-Page-Size", "X-Total-Pages", "X-Total-Count")] == ["2", "2", "3", "5"]
    by_commas = http.get(f"{API}/things", params=asked | {"order_by": "-samplingFeatureCode,name"})
    assert by_commas.json() == answer.json()
    assert "order_by: 'colour' is none of" in refused(http.get(f"{API}/things", params={"order_by": "colour"}), 422)
    assert "page" in refused(http.get(f"{API}/things", params={"page": 0}), 422)


def test_fields_that_are_missing_or_wrong_are_named(http: httpx.Client, workspace: str) -> None:
    body = thing_of(workspace)
    assert "siteType" in refused(http.post(f"{API}/things", json={name: body[name] for name in body if name != "siteType"}), 422)
    assert "workspaceId" in refused(http.post(f"{API}/things", json={name: body[name] for name in body if name != "workspaceId"}), 422)
    assert "there is no workspace" in refused(http.post(f"{API}/things", json=thing_of(str(uuid.uuid4()))), 404)
    assert "an id is a UUID" in refused(http.get(f"{API}/things/nonsense"), 404)
    assert "NaN" in refused(http.post(f"{API}/things", content=b'{"name": NaN}', headers={"Content-Type": "application/json"}), 422)
