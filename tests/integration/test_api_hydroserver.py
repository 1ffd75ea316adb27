"""HydroServer's door over HTTP, without its client: resources, lists, what refuses. tests/clients/hydroserver asks it with the real one."""

import uuid
from concurrent.futures import ThreadPoolExecutor
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
    told(http.patch(f"{API}/units/{one['unitId']}", json={"symbol": "K"}))
    assert told(http.get(f"/api/v1/series/{one['id']}"))["unit"] == "K"
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
    source = {"sourceUrl": "https://example.com/a.csv", "payload": {"type": "CSV", "timestampKey": "t"}}
    connection = made(http, "etl/data-connections", {"name": "c", "workspaceId": workspace} | source)
    mapping = {"sourceIdentifier": "x", "targetDatastreamId": one["id"]}
    made(http, "etl/tasks", {"name": "t", "dataConnectionId": connection["id"], "taskVariables": {}, "mappings": [mapping]})
    assert http.delete(f"{API}/workspaces/{workspace}").status_code == 204
    loading = ("etl/data-connections", "etl/tasks")
    for path in ("things", "datastreams", "units", "sensors", "observed-properties", "processing-levels", *loading):
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


def test_tags_are_added_changed_removed_and_filtered_by(http: httpx.Client, workspace: str) -> None:
    thing = made(http, "things", thing_of(workspace))
    stream = made(http, "datastreams", datastream_of(thing["id"], vocabulary(http, workspace)))
    for path, kept in ((f"things/{thing['id']}", thing["tags"]), (f"datastreams/{stream['id']}", [])):
        url, tag = f"{API}/{path}/tags", {"key": "owner", "value": "USU"}
        assert made(http, f"{path}/tags", tag) == tag
        assert "there is a tag 'owner' already" in refused(http.post(url, json=tag), 400)
        assert told(http.put(url, json=tag | {"value": "USGS"}))["value"] == "USGS"
        assert "there is no tag 'nobody'" in refused(http.put(url, json={"key": "nobody", "value": ""}), 404)
        assert told(http.get(url)) == [*kept, {"key": "owner", "value": "USGS"}]
        every = f"{API}/{path.partition('/')[0]}"
        assert len(told(http.get(every, params={"tag": "owner:USGS"}))) == 1
        assert told(http.get(every, params={"tag": ["owner:USGS", "owner:USU"]})) == []
        assert "there is no tag" in refused(http.request("DELETE", url, json=tag), 404)  # of another value
        assert http.request("DELETE", url, json=tag | {"value": "USGS"}).status_code == 204
        assert told(http.get(url)) == kept
    assert "is not key:value" in refused(http.get(f"{API}/things", params={"tag": "owner"}), 422)


def test_files_are_attached_served_replaced_and_removed(http: httpx.Client, workspace: str) -> None:
    thing = made(http, "things", thing_of(workspace))
    stream = made(http, "datastreams", datastream_of(thing["id"], vocabulary(http, workspace)))
    photo = bytes(range(256)) * 8_000  # more than a record of points holds here
    for path in (f"things/{thing['id']}", f"datastreams/{stream['id']}"):
        url, form = f"{API}/{path}/file-attachments", {"file_attachment_type": "Photo"}
        file = {"file": ("../Å dam.jpg", photo, "image/jpeg")}
        one = told(http.post(url, data=form, files=file), 201)
        assert (one["name"], one["fileAttachmentType"]) == ("Å dam.jpg", "Photo")
        served = http.get(one["link"])
        assert served.content == photo and served.headers["Content-Type"] == "image/jpeg"
        assert served.headers["Content-Disposition"].startswith("attachment")
        assert told(http.get(f"{API}/{path}"))["fileAttachments"] == told(http.get(url)) == [one]
        assert "already" in refused(http.post(url, data=form, files=file), 400)
        assert http.put(url, data=form, files={"file": ("Å dam.jpg", b"another", "image/jpeg")}).status_code == 204
        assert http.get(one["link"]).content == b"another"
        assert told(http.get(url, params={"type": "Map"})) == []
        assert http.request("DELETE", url, json={"name": "Å dam.jpg"}).status_code == 204
        assert "there is no file attachment" in refused(http.get(one["link"]), 404)
        assert "file and file_attachment_type" in refused(http.post(url, data=form), 422)
        too_much = {"file": ("much.bin", bytes(5 << 20), "application/octet-stream")}
        assert "over 4 MiB" in refused(http.post(url, data=form, files=too_much), 413)
        assert told(http.get(url)) == []


def test_what_is_not_served_says_so(http: httpx.Client) -> None:
    for path in (
        "/api/data/monitoring/tasks",
        "/api/data/products/rating-curves",
        "/api/data/quality-control/histories",
        "/api/sensorthings/v1.1/",
    ):
        for method in ("GET", "POST"):
            assert "are not served here" in refused(http.request(method, path), 501)


def test_datastreams_are_found_by_each_filter(http: httpx.Client, workspace: str) -> None:
    other = str(made(http, "workspaces", {"name": "Lakes", "isPrivate": False})["id"])
    of: dict[str, dict[str, Any]] = {}
    for number, place in enumerate((workspace, other)):
        thing, named = made(http, "things", thing_of(place)), vocabulary(http, place)
        texts = {name: f"{name} {number}" for name in ("observationType", "sampledMedium", "status", "resultType")}
        of[place] = made(http, "datastreams", datastream_of(thing["id"], named, **texts, isPrivate=bool(number)))
    rows = {"fields": ["phenomenonTime", "result"], "data": [["2026-01-01T00:00:00Z", 1.5], ["2026-01-03T00:00:00Z", 2.5]]}
    http.post(f"{API}/datastreams/{of[other]['id']}/observations/bulk-create", json=rows).raise_for_status()

    def found(**asked: Any) -> list[str]:
        return [row["id"] for row in told(http.get(f"{API}/datastreams", params=asked))]

    one, two = of[workspace], of[other]
    named_by = ("workspaceId", "thingId", "sensorId", "observedPropertyId", "processingLevelId", "unitId")
    for name in (*named_by, "observationType", "sampledMedium"):
        snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
        assert found(**{snake: one[name]}) == [one["id"]], name
        assert sorted(found(**{snake: [one[name], two[name]]})) == sorted([one["id"], two["id"]]), name
    assert found(status="status 1") == found(result_type="resultType 1") == found(is_private="True") == [two["id"]]
    assert found(value_count_min=1) == found(value_count_min=2, value_count_max=2) == [two["id"]]
    assert found(value_count_max=0) == [one["id"]] and found(value_count_min=3) == []
    end = "2026-01-03 00:00:00+00:00"  # as Python writes a time
    assert found(phenomenon_end_time_max=end) == found(phenomenon_end_time_min=end) == [two["id"]]
    assert found(phenomenon_end_time_max="2026-01-02 23:59:59+00:00") == []
    assert found(phenomenon_begin_time_max="2026-01-01 01:00:00+01:00") == [two["id"]]
    assert found(order_by="-valueCount") == [two["id"], one["id"]] == found(order_by="valueCount")[::-1]
    assert "thing_id" in refused(http.get(f"{API}/datastreams", params={"thing_id": "x"}), 422)


def test_what_is_expanded_tells_the_whole_of_what_is_named(http: httpx.Client, workspace: str) -> None:
    thing, named = made(http, "things", thing_of(workspace)), vocabulary(http, workspace)
    stream = made(http, "datastreams", datastream_of(thing["id"], named))
    asked = {"expand_related": "True"}
    one = told(http.get(f"{API}/datastreams/{stream['id']}", params=asked))
    assert told(http.get(f"{API}/datastreams", params=asked)) == [one]
    assert one["thing"] == thing and one["workspace"] == {"id": workspace, "name": "Rivers", "isPrivate": False}
    assert (one["unit"]["symbol"], one["sensor"]["name"], one["processingLevel"]["code"]) == ("°C", "CS109", "0")
    assert told(http.get(f"{API}/things/{thing['id']}", params=asked))["workspace"]["name"] == "Rivers"
    assert [row["workspace"]["id"] for row in told(http.get(f"{API}/units", params=asked))] == [workspace]


def test_vocabulary_is_found_by_where_it_is_used(http: httpx.Client, workspace: str) -> None:
    thing, named = made(http, "things", thing_of(workspace)), vocabulary(http, workspace)
    stream = made(http, "datastreams", datastream_of(thing["id"], named))
    vocabulary(http, workspace)  # nobody's
    paths = {
        "unitId": "units",
        "sensorId": "sensors",
        "observedPropertyId": "observed-properties",
        "processingLevelId": "processing-levels",
    }
    for name, path in paths.items():
        assert len(told(http.get(f"{API}/{path}"))) == 2
        for asked in ({"thing_id": thing["id"]}, {"datastream_id": stream["id"]}):
            assert [row["id"] for row in told(http.get(f"{API}/{path}", params=asked))] == [named[name]]


def test_things_are_found_by_place_and_kind(http: httpx.Client, workspace: str) -> None:
    here = made(http, "things", thing_of(workspace))["id"]
    there = {"latitude": -10, "longitude": 20, "adminArea1": "Kasai", "adminArea2": "Ilebo", "country": "CD"}
    away = made(http, "things", thing_of(workspace, siteType="Lake", samplingFeatureType="Area", samplingFeatureCode="K", location=there))[
        "id"
    ]

    def found(**asked: Any) -> list[str]:
        return [row["id"] for row in told(http.get(f"{API}/things", params=asked))]

    assert found(bbox="-112,41,-111,42") == [here] and found(bbox="19,-11,21,-9") == [away]
    for asked in ({"site_type": "Lake"}, {"sampling_feature_type": "Area"}, {"sampling_feature_code": "K"}, {"country": "CD"}):
        assert found(**asked) == [away]
    assert found(admin_area_1="Kasai") == found(admin_area_2="Ilebo") == found(is_private="False", country="CD") == [away]
    assert found(country="null") == [here]
    assert found(order_by="latitude") == [away, here] and found(order_by="-latitude") == [here, away]
    assert "west,south,east,north" in refused(http.get(f"{API}/things", params={"bbox": "1,2,3"}), 422)


def test_of_many_changes_at_once_none_is_lost(http: httpx.Client, workspace: str) -> None:
    thing = made(http, "things", thing_of(workspace, tags=[]))
    url = f"{API}/things/{thing['id']}/tags"
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda number: http.post(url, json={"key": f"k{number}", "value": "v"}).status_code, range(16)))
    assert answers == [201] * 16
    assert {tag["key"] for tag in told(http.get(url))} == {f"k{number}" for number in range(16)}


def test_an_id_of_ones_own_is_taken_once(http: httpx.Client, workspace: str) -> None:
    ident = str(uuid.uuid4())
    thing = made(http, "things", thing_of(workspace, id=ident))
    assert thing["id"] == ident
    assert "already" in refused(http.post(f"{API}/things", json=thing_of(workspace, id=ident)), 409)
    named, series = vocabulary(http, workspace), str(uuid.uuid4())
    http.post("/api/v1/points", json={"series": "s", "valid_time": "2026-01-01T00:00:00Z", "value": 1}).raise_for_status()
    taken = http.get("/api/v1/series/key:s").json()["series_id"]
    assert "already" in refused(http.post(f"{API}/datastreams", json=datastream_of(ident, named, id=taken)), 409)
    assert made(http, "datastreams", datastream_of(ident, named, id=series))["id"] == series
    assert "already" in refused(http.post(f"{API}/datastreams", json=datastream_of(ident, named, id=series)), 409)
