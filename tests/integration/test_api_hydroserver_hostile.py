"""HydroServer's door asked what no client asks: every answer is a refusal in words, none a fault."""

from typing import Any

import httpx
import pytest

from tests.integration.test_api_hydroserver import API, datastream_of, made, refused, thing_of, vocabulary

BODIES: tuple[bytes, ...] = (
    b"", b"null", b"[]", b"{}", b'"x"', b"{", b"\xff\xfe", b'{"name": NaN}', b'{"name": "\\ud800"}', b'{"name": {}, "isPrivate": []}',
    b'{"id": 7, "name": "x", "isPrivate": true}', b'{"workspaceId": {"a": 1}}', b'{"workspaceId": "x", "thingId": []}', b'{"tags": 3}',
    b'{"tags": ["x"], "location": 3}', b'{"location": {"latitude": "north", "longitude": 1e999}}', b'{"key": {}, "value": []}',
    b'{"email": {}, "roleId": 3}', b'{"email": "x@y.z", "roleId": []}', b'{"newOwner": []}', b'{"noDataValue": 1e400, "thingId": null}',
    b'{"name": "' + b"x" * 300 + b'", "is_private": 1}', b'{"expiresAt": {}, "roleId": "2f05f775-5d8a-4778-9942-3d13a64ec7a3"}',
    b"[" * 5_000,
)  # fmt: skip
QUERIES = (
    "page=x", "page=-1", "page=99999999999999999999", "page_size=1e9", "order_by=-", "order_by=,,", "order_by=name,name",
    "is_private=maybe", "workspace_id=x", "thing_id=null&thing_id=x", "tag=x", "bbox=1,2,3,x", "bbox=nan,nan,nan,nan",
    "value_count_min=x", "value_count_max=nan", "phenomenon_end_time_min=yesterday", "phenomenon_end_time_max=9999999999999999999999",
    "expand_related=perhaps", "type=%00", "status=%F0%9F%92%A7",
)  # fmt: skip
LISTS = (
    "workspaces",
    "things",
    "datastreams",
    "units",
    "sensors",
    "observed-properties",
    "processing-levels",
    "result-qualifiers",
    "roles",
)


@pytest.fixture(scope="module")
def paths(served: Any) -> tuple[httpx.Client, list[tuple[str, str]]]:
    http = httpx.Client(base_url=served.url, timeout=60, headers={"X-Tenant": "00000000-0000-0000-0000-0000000000aa"})
    workspace = made(http, "workspaces", {"name": "hostile", "isPrivate": False})["id"]
    thing, named = made(http, "things", thing_of(workspace))["id"], vocabulary(http, workspace)
    stream = made(http, "datastreams", datastream_of(thing, named))["id"]
    one = f"workspaces/{workspace}"
    making = [
        ("POST", path) for path in (*LISTS[:-1], f"{one}/collaborators", f"{one}/transfer", f"{one}/api-keys", f"things/{thing}/tags")
    ]
    changing = [("PATCH", path) for path in (one, f"things/{thing}", f"datastreams/{stream}", f"units/{named['unitId']}")]
    others = [("DELETE", f"{one}/collaborators"), ("PUT", f"{one}/collaborators"), ("DELETE", f"things/{thing}/tags")]
    return http, [*making, *changing, *others, ("DELETE", f"things/{thing}/file-attachments"), ("POST", f"things/{thing}/file-attachments")]


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_no_body_is_a_fault(paths: tuple[httpx.Client, list[tuple[str, str]]], body: bytes) -> None:
    http, routes = paths
    for method, path in routes:
        answer = http.request(method, f"{API}/{path}", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code < 500, (method, path, answer.text)
        assert answer.is_success or answer.json()["detail"], (method, path)


@pytest.mark.parametrize("query", QUERIES)
def test_no_query_is_a_fault(paths: tuple[httpx.Client, list[tuple[str, str]]], query: str) -> None:
    for path in LISTS:
        answer = paths[0].get(f"{API}/{path}?{query}")
        assert answer.status_code < 500, (path, answer.text)
        assert answer.is_success or answer.json()["detail"], path


@pytest.mark.parametrize("name", ["..%2F..%2Fetc", "%00", "a%0d%0ab", "%F0%9F%92%A7", "x" * 3_000])
def test_no_name_of_a_file_is_a_fault(paths: tuple[httpx.Client, list[tuple[str, str]]], name: str) -> None:
    http, routes = paths
    files = next(path for method, path in routes if path.endswith("file-attachments"))
    assert http.get(f"{API}/{files}/{name}").status_code == 404
    form = b'--b\r\nContent-Disposition: form-data; name="file"; filename="' + name.encode() + b'"\r\n\r\nx\r\n--b\r\n'
    form += b'Content-Disposition: form-data; name="file_attachment_type"\r\n\r\nPhoto\r\n--b--\r\n'
    answer = http.post(f"{API}/{files}", content=form, headers={"Content-Type": "multipart/form-data; boundary=b"})
    assert answer.status_code in (201, 400, 422), answer.text
    if answer.status_code == 201:
        assert http.get(answer.json()["link"]).content == b"x"


def test_a_broken_form_is_refused(paths: tuple[httpx.Client, list[tuple[str, str]]]) -> None:
    http, routes = paths
    files = next(path for method, path in routes if path.endswith("file-attachments"))
    for form in (b"", b"--b", b"nonsense", b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n"):
        answer = http.post(f"{API}/{files}", content=form, headers={"Content-Type": "multipart/form-data; boundary=b"})
        assert answer.status_code in (400, 422) and answer.json()["detail"]


def test_documents_that_others_put_break_no_list(http: httpx.Client) -> None:
    for kind, ident in (("thing", "x"), ("unit", "y"), ("hydroserver-thing", "not-a-uuid"), ("workspace", "z")):
        http.put(f"/api/v1/entities/{kind}/{ident}", json={"name": 3}).raise_for_status()
    for path in LISTS[:-1]:
        assert http.get(f"{API}/{path}").json() == []
    assert "there is no thing" in refused(http.get(f"{API}/things/not-a-uuid"), 404)
