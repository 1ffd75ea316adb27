"""The client's iterators: a tail that comes back by itself where its line breaks, and the log page by page."""

from collections.abc import Iterator

import httpx
import pytest

from tests.conftest import free_port
from tests.integration.api_server import Served
from tests.integration.test_api_live import write
from varve import Client
from varve.client_http import Retries
from varve.client_live import Told
from varve.errors import Conflict, Unavailable

NO_PAUSE = Retries(tries=3, pause=lambda _seconds: None)


class Breaking(httpx.BaseTransport):
    """Each live tail breaks where the test says so: at the next thing that comes after `broken` was set."""

    def __init__(self) -> None:
        self._line = httpx.HTTPTransport()
        self.broken, self.asked = False, list[str]()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._line.handle_request(request)
        if request.url.path != "/api/v1/live":
            return answer
        self.asked.append(request.url.params.get("after", ""))
        assert isinstance(answer.stream, httpx.SyncByteStream)
        return httpx.Response(answer.status_code, headers=answer.headers, stream=Broken(self, answer.stream))

    def close(self) -> None:
        self._line.close()


class Broken(httpx.SyncByteStream):
    def __init__(self, line: Breaking, stream: httpx.SyncByteStream) -> None:
        self._line, self._stream = line, stream

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._stream:
            if self._line.broken:
                self._line.broken = False
                raise httpx.ReadError("broken by the test")
            yield piece

    def close(self) -> None:
        self._stream.close()


def until_told(found: Iterator[Told], count: int) -> tuple[list[object], str]:
    values: list[object] = []
    for told in found:
        values += [row["value"] for row in told.rows]
        if told.token and len(values) >= count:
            return values, told.token
    raise AssertionError("the tail ended")


def test_a_tail_whose_line_breaks_goes_on_without_gap_or_repetition(http: httpx.Client, served: Served) -> None:
    line = Breaking()
    with Client(served.url, http.headers["X-Tenant"], transport=line, retries=NO_PAUSE) as client:
        start = write(http, "a", 1.0)
        found = client.live("a", after=start)
        assert until_told(found, 0) == ([], start)
        write(http, "a", 2.0)
        values, at = until_told(found, 1)
        line.broken = True
        write(http, "a", 3.0)
        write(http, "a", 4.0)
        more, _ = until_told(found, 2)
        assert values + more == [2.0, 3.0, 4.0]
        assert line.asked == [start, at]
        found.close()


def test_a_tail_of_nobody_gives_up_in_words_and_a_refusal_at_once(http: httpx.Client, served: Served) -> None:
    with Client(f"http://127.0.0.1:{free_port()}", retries=NO_PAUSE) as client, pytest.raises(Unavailable, match="no answer from"):
        next(client.live())
    with Client(served.url, retries=NO_PAUSE) as client, pytest.raises(Conflict, match="of log ffff"):
        next(client.live(after="f" * 32))


def test_the_log_is_read_to_its_end_and_from_there_on(http: httpx.Client, served: Served) -> None:
    with Client(served.url, http.headers["X-Tenant"]) as client:
        write(http, "a", 1.0)
        pages = list(client.events())
        assert [event["value"] for page in pages for event in page.events] == [[1.0]]
        write(http, "a", 2.0)
        assert [event["value"] for page in client.events(pages[-1].token) for event in page.events] == [[2.0]]
