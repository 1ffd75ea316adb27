"""Everything that a log can hold, written over HTTP into a tenant, and every question that a read can be asked of it: what a view that was
built anew must answer byte by byte.

Before: a running Varve. After: answers(...) of two moments, or of two servers, are compared.
"""

from collections.abc import Mapping

import httpx

KEYS = [f"r{number}" for number in range(12)]
TENANTS = ("", "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222")  # of the first, no header
MINUTES = [f"2025-01-08T{hour:02}:{minute:02}:00Z" for hour in range(5) for minute in range(60)]
SPAN = {"from": "2025-01-01T00:00:00Z", "until": "2025-01-09T00:00:00Z"}
FUNCTIONS = ["sum", "count", "min", "max", "first", "last", "mean", "stddev"]
Question = tuple[str, dict[str, str | int | list[str]]]
QUESTIONS: list[Question] = [
    ("values/flat", {}),
    ("values/flat", {"as_of": "2025-01-01T03:00:00Z"}),
    ("values/flat", {"known_from": "2025-01-01T00:00:00Z", **SPAN}),
    ("values/overlapping", {}),
    ("values/overlapping", {"known_until": "2025-01-02T00:00:00Z"}),
    ("values/history", {}),
    ("values/relative", {"before_seconds": 3600}),
    ("values/relative", {"days_before": 1, "at": "12:00", "zone": "Europe/Stockholm"}),
    ("latest", {}),
]
READ_ALONE = ("values/flat", "values/history", "latest")  # by other queries than those for many
OF_MANY: list[Question] = [
    ("rollups", {"period": "15min", "function": FUNCTIONS}),
    ("rollups", {"period": "1hour", "function": [*FUNCTIONS, "median"], **SPAN}),
    ("rollups", {"period": "1day", "function": FUNCTIONS, "zone": "Europe/Stockholm"}),
    ("rollups", {"period": "1day", "function": ["sum", "count"], "across": "sum"}),
    ("values/flat", {"max_points": 40}),
    ("series", {}),
    ("runs", {}),
    ("deletions", {}),
    ("entities/thing", {}),
    ("entities/thing", {"field": "turn:2"}),
    ("entity-versions/thing/t1", {}),
]


def headers_of(tenant: str) -> dict[str, str]:
    return {"X-Tenant": tenant} if tenant else {}


def post(url: str, path: str, body: Mapping[str, object], tenant: str = "", **headers: str) -> str:
    answer = httpx.post(f"{url}/api/v1/{path}", json=body, headers=headers_of(tenant) | headers, timeout=60)
    assert answer.is_success, answer.text
    return str(answer.json()["token"])


def write_all_sorts(url: str, tenant: str = "") -> None:
    """Plain and forecast layers, runs, partial updates, one partition and several, keyed and not; then what counts and what hides."""
    for turn in range(6):
        times = [f"2025-01-0{1 + (turn + day) % 7}T00:00:00Z" for day in range(3)]
        rows = {"series": [key for key in KEYS for _ in times], "valid_time": times * len(KEYS)}
        values = [turn * 100 + number / 8 for number in range(len(KEYS) * 3)]
        post(url, "points", rows | {"value": values}, tenant, **{"Idempotency-Key": f"turn-{turn}"})
        forecast = {"series": KEYS[turn], "valid_time": times, "value": [None, 1.5, turn], "known_time": "2024-12-31T00:00:00Z"}
        post(url, "points", forecast, tenant)
        updates = [
            {"series": KEYS[turn], "valid_time": times[0], "annotation": "checked"},
            {"series": KEYS[turn + 1], "valid_time": times[1], "value": 1000.0 + turn},
        ]
        body = {"updates": updates, "changed_by": "ada"}
        changed = httpx.patch(f"{url}/api/v1/points", json=body, headers=headers_of(tenant), timeout=60)
        assert changed.is_success and changed.json()["updated"] == 2, changed.text
    opened = {"workflow_id": "w", "known_time": "2025-01-01T06:00:00Z"}
    run = httpx.post(f"{url}/api/v1/runs", json=opened, headers=headers_of(tenant), timeout=60).json()["run_id"]
    of_run = {"series": KEYS[:5], "valid_time": ["2025-01-03T00:00:00Z"] * 5, "value": [9.0] * 5, "run_id": run}
    post(url, "points", of_run, tenant)
    count_and_hide(url, tenant)


def count_and_hide(url: str, tenant: str) -> None:
    """Increments in order, late and of the latest value, deletions, a rewrite, a purge, a series deleted and made again."""
    for turn in range(3):
        for key in KEYS[:4]:
            post(url, "increments", {"series": key, "valid_time": MINUTES, "value": [turn + 1] * len(MINUTES)}, tenant)
        post(url, f"series/key:{KEYS[turn]}/latest/increment", {"amount": 0.5}, tenant)
    with httpx.Client(base_url=f"{url}/api/v1", headers=headers_of(tenant), timeout=60) as http:
        removed = [
            http.delete(f"/series/key:{KEYS[1]}/points", params={"from": MINUTES[20], "until": MINUTES[90]}),
            http.delete(f"/series/key:{KEYS[5]}"),
            http.put(f"/series/key:{KEYS[6]}/points", json={"valid_time": MINUTES, "value": list(range(300))}),
            http.post("/purges", json={"series": KEYS[2], "from": MINUTES[100], "until": MINUTES[200]}),
        ]
    assert all(answer.is_success for answer in removed), [answer.text for answer in removed]
    assert removed[-1].json()["rows"] == 300
    post(url, "increments", {"series": KEYS[5], "valid_time": MINUTES[0], "value": 7}, tenant)
    describe(url, tenant)


def describe(url: str, tenant: str) -> None:
    """Documents: put, put again, refused, deleted."""
    with httpx.Client(base_url=f"{url}/api/v1/entities/thing", headers=headers_of(tenant), timeout=60) as http:
        for turn in range(4):
            http.put(f"/t{turn}", json={"turn": turn}).raise_for_status()
        http.put("/t1", json={"turn": 2}).raise_for_status()
        assert http.put("/t1", json={}, params={"if_absent": True}).status_code == httpx.codes.CONFLICT
        http.delete("/t3").raise_for_status()


def answers(url: str, token: str, tenant: str = "") -> dict[str, bytes]:
    """The body of every question to all series at once, and of those that are read otherwise for one series alone, when all of the log
    is visible."""
    found = {}
    with httpx.Client(base_url=f"{url}/api/v1", headers=headers_of(tenant), timeout=60) as http:
        http.get("/values/flat", params={"limit": 1, "after": token}).raise_for_status()
        alone: list[Question] = [(path, {"key": key}) for path in READ_ALONE for key in KEYS]
        for path, question in [*alone, *QUESTIONS, *OF_MANY]:
            answer = http.get(f"/{path}", params=question)
            assert answer.status_code == 200, f"{path} {question}: {answer.text}"
            found[f"{path} {question}"] = answer.content
    return found
