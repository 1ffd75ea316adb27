"""The OpenAPI document of the routes, as docs/openapi.json holds it: `python -m api.openapi > docs/openapi.json`.

Before: a change of a route. After: a unit test compares the file. The version is the contract's, not the distribution's.
"""

import json
import sys
from typing import Any, cast

from api.app import create_app


def document() -> str:
    """The parts are never touched while routes are told, so there are none."""
    found: dict[str, Any] = create_app(cast(Any, None)).openapi()
    found["info"]["version"] = "v1"
    return json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document())
