"""TempoDB's clients at a server with access on: the secret is the user's key, and a wrong one is told as they know it."""

from datetime import datetime

import pytest

from tests.clients.conftest import Known
from tests.clients.tempodb.conftest import Sources
from tests.clients.tempodb.real_clients import ClientError, point, start

pytestmark = pytest.mark.slow
TIME = datetime(2012, 1, 1)  # noqa: DTZ001 - the clients take naive times


def test_the_first_generation_writes_and_reads_by_its_key(sources: Sources, form: str, known: Known) -> None:
    right, wrong = (start(*sources("0.5.0", form), "0.5.0", known.url, secret) for secret in (known.key, "wrong"))
    try:
        assert right.call("write_key", f"first {form}", [point(TIME, 1.5)]) == ""
        assert right.call("read_key", f"first {form}", TIME, datetime(2012, 1, 2), interval="raw")["data"][0]["value"] == 1.5  # noqa: DTZ001
        assert "key" in wrong.call("write_key", f"first {form}", [point(TIME, 1.5)])["error"]
    finally:
        right.stop()
        wrong.stop()


def test_the_second_generation_writes_and_reads_by_its_key(sources: Sources, form: str, known: Known) -> None:
    right, wrong = (start(*sources("1.0.1", form), "1.0.1", known.url, secret) for secret in (known.key, "wrong"))
    try:
        assert right.call("write_data", f"second {form}", [point(TIME, 2.5)])["status"] == 200
        with pytest.raises(ClientError) as refused:
            wrong.call("write_data", f"second {form}", [point(TIME, 1.5)])
        assert refused.value.response["status"] == 403
    finally:
        right.stop()
        wrong.stop()
