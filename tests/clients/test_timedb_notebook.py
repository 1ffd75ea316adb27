"""The requests of TimeDB's notebook "Using TimeDB API", in its order and unchanged but for the base URL, with the results
that it documents. Before: a fresh `varve up`. After: nothing.
"""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
import requests

from tests.conftest import VarveUp

pytestmark = pytest.mark.slow
BASE_TIME = datetime(2025, 1, 1, 0, 0, tzinfo=UTC)
HEADERS = {"Content-Type": "application/json", "X-API-Key": "YOUR-API-KEY"}
JSON_ONLY = {"Content-Type": "application/json"}
FLAT_COLUMNS = ["valid_time", "series_id", "value", "series_key", "series_unit"]


def test_every_request_of_the_notebook_has_its_documented_result(varve_up: Callable[..., VarveUp]) -> None:
    url = varve_up().url
    check_about(url)
    check_creation(url)
    run_id, series_ids = check_upload(url)
    check_listing(url, series_ids)
    check_flat(url, series_ids)
    check_overlapping(url)
    check_second_run(url)
    check_update(url, run_id)
    check_versions(url)


def check_about(url: str) -> None:
    about = get(url, "/")
    assert (about["name"], about["version"]) == ("TimeDB API", "0.1.1")
    assert set(about["endpoints"]) == {"read_values", "upload_timeseries", "create_series", "list_timeseries", "update_records"}


def check_creation(url: str) -> None:
    for series in (
        {"name": "temperature", "description": "Temperature measurements in Celsius", "unit": "celsius"},
        {"name": "humidity", "description": "Relative humidity percentage", "unit": "percent"},
    ):
        response = requests.post(f"{url}/series", json=series, headers=HEADERS, timeout=30)
        response.raise_for_status()
        assert uuid.UUID(response.json()["series_id"])
        assert response.json()["message"] == "Series created successfully"


def check_upload(url: str) -> tuple[str, dict[str, str]]:
    dates = [BASE_TIME + timedelta(hours=i) for i in range(24)]
    value_rows: list[dict[str, Any]] = []
    for i, date in enumerate(dates):
        value_rows.append({"valid_time": date.isoformat(), "value_key": "temperature", "value": 20.0 + i * 0.3})
        value_rows.append({"valid_time": date.isoformat(), "value_key": "humidity", "value": 60.0 - i * 0.5})
    request = {"run_start_time": datetime.now(UTC).isoformat(), "value_rows": value_rows}
    response = requests.post(f"{url}/upload", json=request, headers=HEADERS, timeout=30)
    response.raise_for_status()
    result = response.json()
    assert uuid.UUID(result["run_id"])
    assert result["message"] == "Run created successfully"
    assert set(result["series_ids"]) == {"temperature", "humidity"}
    return result["run_id"], result["series_ids"]


def check_listing(url: str, series_ids: dict[str, str]) -> None:
    response = requests.get(f"{url}/list_timeseries", headers=HEADERS, timeout=30)
    response.raise_for_status()
    listed = response.json()
    assert len(listed) == 2, "what POST /series made and what was uploaded by the same key is one series"
    temperature = {"series_key": "temperature", "description": "Temperature measurements in Celsius", "unit": "celsius"}
    assert listed[series_ids["temperature"]] == temperature
    assert listed[series_ids["humidity"]]["unit"] == "percent"


def check_flat(url: str, series_ids: dict[str, str]) -> None:
    params: dict[str, Any] = {
        "start_valid": BASE_TIME.isoformat(),
        "end_valid": (BASE_TIME + timedelta(hours=24)).isoformat(),
        "mode": "flat",
        "all_versions": False,
    }
    response = requests.get(f"{url}/values", params=params, headers=HEADERS, timeout=30)
    response.raise_for_status()
    body = response.json()
    frame = pd.DataFrame(body["data"])
    assert body["count"] == 48
    assert frame.shape == (48, 5)
    assert list(frame.columns) == FLAT_COLUMNS
    assert frame["valid_time"].iloc[0] == "2025-01-01T00:00:00+00:00"
    assert frame.equals(frame.sort_values(["valid_time", "series_id"], ignore_index=True))
    hot = frame[frame["series_key"] == "temperature"]
    assert hot["value"].tolist() == pytest.approx([20.0 + i * 0.3 for i in range(24)])
    assert set(hot["series_id"]) == {series_ids["temperature"]}
    assert set(hot["series_unit"]) == {"celsius"}


def check_overlapping(url: str) -> None:
    params: dict[str, Any] = {
        "start_valid": BASE_TIME.isoformat(),
        "end_valid": (BASE_TIME + timedelta(hours=6)).isoformat(),
        "mode": "overlapping",
        "all_versions": False,
    }
    response = requests.get(f"{url}/values", params=params, timeout=30)
    response.raise_for_status()
    frame = pd.DataFrame(response.json()["data"])
    assert response.json()["count"] == 12
    assert list(frame.columns) == ["known_time", *FLAT_COLUMNS]
    assert pd.to_datetime(frame["known_time"], format="ISO8601").nunique() == 1


def check_second_run(url: str) -> None:
    base = datetime(2025, 1, 2, 0, 0, tzinfo=UTC)
    rows: list[dict[str, Any]] = []
    for i, date in enumerate(base + timedelta(hours=i) for i in range(12)):
        rows.append({"valid_time": date.isoformat(), "value_key": "temperature", "value": 25.0 + i * 0.2})
        rows.append({"valid_time": date.isoformat(), "value_key": "humidity", "value": 50.0 - i * 0.3})
    request = {"run_start_time": datetime.now(UTC).isoformat(), "value_rows": rows}
    response = requests.post(f"{url}/runs", json=request, headers=JSON_ONLY, timeout=30)
    response.raise_for_status()
    assert response.json()["message"] == "Run created successfully"
    params = {"start_valid": base.isoformat(), "end_valid": (base + timedelta(hours=12)).isoformat(), "mode": "flat"}
    assert get(url, "/values", params)["count"] == 24


def check_update(url: str, run_id: str) -> None:
    params: dict[str, Any] = {
        "start_valid": BASE_TIME.isoformat(),
        "end_valid": (BASE_TIME + timedelta(hours=1)).isoformat(),
        "mode": "flat",
    }
    found = get(url, "/values", params)
    mapping = {row["series_key"]: uuid.UUID(row["series_id"]) for row in found["data"]}
    update = {
        "run_id": run_id,
        "tenant_id": "00000000-0000-0000-0000-000000000000",
        "valid_time": BASE_TIME.isoformat(),
        "series_id": str(mapping["temperature"]),
        "value": 22.5,
        "annotation": "Updated via API",
    }
    response = requests.put(f"{url}/values", json={"updates": [update]}, headers=JSON_ONLY, timeout=30)
    response.raise_for_status()
    result = response.json()
    assert len(result["updated"]) == 1
    assert result["skipped_no_ops"] == []
    assert isinstance(result["updated"][0]["value_id"], int)
    repeated = requests.put(f"{url}/values", json={"updates": [update]}, headers=JSON_ONLY, timeout=30).json()
    assert (len(repeated["updated"]), len(repeated["skipped_no_ops"])) == (0, 1), "what is there already changes nothing"


def check_versions(url: str) -> None:
    params = {
        "start_valid": BASE_TIME.isoformat(),
        "end_valid": (BASE_TIME + timedelta(hours=1)).isoformat(),
        "mode": "flat",
        "all_versions": True,
    }
    found = get(url, "/values", params)
    frame = pd.DataFrame(found["data"])
    frame["valid_time"] = pd.to_datetime(frame["valid_time"])
    temperature = frame[(frame["series_key"] == "temperature") & (frame["valid_time"] == BASE_TIME)]
    assert temperature[["valid_time", "series_key", "value", "changed_by", "change_time"]]["value"].tolist() == [20.0, 22.5]
    current = temperature.iloc[-1]
    assert current["value"] == 22.5
    assert current["annotation"] == "Updated via API"
    assert list(frame.columns)[:5] == FLAT_COLUMNS


def get(url: str, path: str, params: dict[str, Any] | None = None) -> Any:
    response = requests.get(f"{url}{path}", params=params, timeout=30)
    response.raise_for_status()
    return response.json()
