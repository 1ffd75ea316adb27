"""TimeDB's words (its API of January 2026, "0.1.1"): what GET / says, how errors read, which paths are this door's."""

from typing import Any

from api.errors import Wording, body_under

DEFAULT_UNIT = "dimensionless"
PATHS = frozenset({"/", "/series", "/upload", "/runs", "/list_timeseries", "/values"})
ABOUT: dict[str, Any] = {
    "name": "TimeDB API",
    "version": "0.1.1",
    "description": "REST API for reading and writing time series (served by Varve)",
    "endpoints": {
        "read_values": "GET /values - Read time series values",
        "upload_timeseries": "POST /upload - Upload time series data (create a new run with values)",
        "create_series": "POST /series - Create a new time series",
        "list_timeseries": "GET /list_timeseries - List all time series (series_id -> series_key mapping)",
        "update_records": "PUT /values - Update existing time series records",
    },
    "authentication": {
        "method": "API Key",
        "header": "X-API-Key",
        "note": "Where access is on; else every caller has full access, and any key is accepted.",
    },
    "admin_note": "There is no schema to create or delete: topics and tables are made when the server starts.",
}


WORDS = {
    "key-missing": "API key required. Please provide X-API-Key header.",
    "key-unknown": "Invalid or inactive API key.",
    "key-unreadable": "Invalid or inactive API key.",
}
WORDING = Wording(owns=PATHS.__contains__, body=body_under("detail"), words=WORDS, challenge="ApiKey")
