"""Fetching from sources that fail, hang, lie, drip, bomb and send on elsewhere: a real server on this machine, and each fault in words."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from streams.loading import addresses
from streams.loading.fetch import Fetched, Limits, fetch, limits_of, shown
from varve.errors import Forbidden, Incorrect, NotFound, TooLarge, Unavailable, VarveError
from varve.settings import Settings

OURS = Limits(allow_private=True, connect_seconds=2, silent_seconds=2, total_seconds=20, bytes_max=8 << 20, tries=3)
CSV = b"Time,Level\n2024-01-01,1\n"
Answer = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


class Source:
    """Answers by a function of what was asked; keeps what was asked."""

    def __init__(self, answer: Answer) -> None:
        self.answer, self.asked, self.ended = answer, list[bytes](), asyncio.Event()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/readings.csv?key=secret"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            self.asked.append(await reader.readuntil(b"\r\n\r\n"))
            await self.answer(self.asked[-1], writer)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[Source]:
    source = Source(answer)
    server = await asyncio.start_server(source.serve, "127.0.0.1", 0)
    source.port = server.sockets[0].getsockname()[1]
    try:
        yield source
    finally:
        source.ended.set()
        server.close()


def saying(body: bytes = CSV, status: str = "200 OK", **headers: str) -> Answer:
    async def answer(_asked: bytes, writer: asyncio.StreamWriter) -> None:
        lines = {"Content-Length": str(len(body)), "Connection": "close", **{name.replace("_", "-"): one for name, one in headers.items()}}
        head = "".join(f"{name}: {one}\r\n" for name, one in lines.items() if one)
        writer.write(f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body)

    return answer


def in_turn(*answers: Answer) -> Answer:
    rest = list(answers)

    async def answer(asked: bytes, writer: asyncio.StreamWriter) -> None:
        await (rest.pop(0) if len(rest) > 1 else rest[0])(asked, writer)

    return answer


class Pauses:
    """Nobody waits; how long one would have is kept."""

    def __init__(self) -> None:
        self.seconds = list[float]()

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def fetched(
    answer: Answer, into: Path, limits: Limits = OURS, header: tuple[str, str] | None = None, pauses: Pauses | None = None
) -> tuple[Fetched, Source]:
    async def run() -> tuple[Fetched, Source]:
        async with serving(answer) as source:
            return await fetch(source.url, header, into, limits, pauses or Pauses()), source

    return asyncio.run(run())


@pytest.fixture
def into(tmp_path: Path) -> Path:
    return tmp_path / "fetched"


def test_what_the_source_says_is_on_disk_whole(into: Path) -> None:
    found, source = fetched(saying(), into, header=("X-Api-Key", "k"))
    assert into.read_bytes() == CSV
    assert found.bytes == len(CSV) and found.url == f"http://127.0.0.1:{source.port}/readings.csv?…"
    assert b"x-api-key: k" in source.asked[0].lower() and b"GET /readings.csv?key=secret " in source.asked[0]


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_compressed_answers_are_inflated(into: Path, encoding: str) -> None:
    body = gzip.compress(CSV) + gzip.compress(CSV) if encoding == "gzip" else zlib.compress(CSV)
    fetched(saying(body, Content_Encoding=encoding), into)
    assert into.read_bytes() == (CSV + CSV if encoding == "gzip" else CSV)


def test_500_twice_and_then_200(into: Path) -> None:
    pauses = Pauses()
    _, source = fetched(in_turn(saying(b"", "500 Oops"), saying(b"", "503 Later", Retry_After="7"), saying()), into, pauses=pauses)
    assert into.read_bytes() == CSV
    assert (len(source.asked), pauses.seconds) == (3, [1.0, 7.0])


def test_a_connection_that_is_cut_is_tried_again(into: Path) -> None:
    _, source = fetched(in_turn(saying(CSV, Content_Length="99"), saying()), into)
    assert into.read_bytes() == CSV and len(source.asked) == 2


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        ("401 Unauthorized", Forbidden, "refused the log-in (401 Unauthorized): look at the connection's authentication header"),
        ("403 Forbidden", Forbidden, "refused the log-in (403 Forbidden)"),
        ("404 Not Found", NotFound, "is not there (404 Not Found): look at the address and its placeholders"),
        ("422 Odd", Incorrect, "refused the request (422 Odd): look at the address and its parameters"),
        ("500 Oops", Unavailable, "failed (500 Oops) (3 tries)"),
        ("429 Slow", Unavailable, "failed (429 Slow) (3 tries)"),
        ("204 No Content", Incorrect, "answered that it has nothing"),
        ("206 Part", Incorrect, "answered 206 Part, where 200 was expected"),
        ("200 OK", Incorrect, "answered without a body"),
        ("302 Found", Incorrect, "sends on to another address (302) and does not say which"),
    ],
)
def test_each_status_has_its_words(into: Path, status: str, kind: type[VarveError], words: str) -> None:
    with pytest.raises(kind) as refusal:
        fetched(saying(b"", status), into)
    assert words in refusal.value.message
    assert "secret" not in refusal.value.message


def test_a_source_that_hangs_before_and_in_the_middle_of_its_answer(into: Path) -> None:
    async def run(begin: bytes) -> None:
        async def hang(_asked: bytes, writer: asyncio.StreamWriter) -> None:
            writer.write(begin)
            await writer.drain()
            await source.ended.wait()

        async with serving(hang) as source:
            await fetch(source.url, None, into, Limits(allow_private=True, silent_seconds=0.2, tries=1), Pauses())

    with pytest.raises(Unavailable, match=r"readings.csv\?… is silent"):
        asyncio.run(run(b""))
    with pytest.raises(Unavailable, match="fell silent in the middle of its answer"):
        asyncio.run(run(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nTime,"))


def test_a_source_that_drips_ends_at_the_total(into: Path) -> None:
    async def run() -> None:
        async def drip(_asked: bytes, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while not source.ended.is_set():
                writer.write(b"x")
                await writer.drain()
                with suppress(TimeoutError):
                    await asyncio.wait_for(source.ended.wait(), 0.02)

        async with serving(drip) as source:
            await fetch(source.url, None, into, Limits(allow_private=True, silent_seconds=5, total_seconds=0.3), Pauses())

    with pytest.raises(Unavailable, match=r"did not answer whole within 0.3 s"):
        asyncio.run(run())


def test_a_gigabyte_of_nothing_ends_at_the_bound_whether_it_is_announced_or_not(into: Path) -> None:
    async def endless(_asked: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        for _ in range(1024):
            writer.write(b"\0" * (1 << 20))
            await writer.drain()

    with pytest.raises(TooLarge, match="sends more than 8 MiB"):
        fetched(endless, into)
    assert into.stat().st_size <= OURS.bytes_max
    with pytest.raises(TooLarge, match="sends more than 8 MiB"):
        fetched(saying(CSV, Content_Length=str(1 << 30)), into)


def test_a_gzip_bomb_ends_before_it_takes_disk_or_memory(into: Path) -> None:
    squeeze = zlib.compressobj(9, wbits=31)
    bomb = b"".join(squeeze.compress(b"\n" * (1 << 20)) for _ in range(1024)) + squeeze.flush()
    assert len(bomb) < 2 << 20
    with pytest.raises(TooLarge, match="inflate to more than 200 times as many: that is no file of readings"):
        fetched(saying(bomb, Content_Encoding="gzip"), into, Limits(allow_private=True))
    assert into.stat().st_size <= 128 << 20
    with pytest.raises(Incorrect, match="encoded as 'gzip, gzip', which it was not asked for"):
        fetched(saying(gzip.compress(bomb), Content_Encoding="gzip, gzip"), into)


@pytest.mark.parametrize(
    ("body", "words"),
    [(b"no gzip", "sends what it calls gzip and is not"), (gzip.compress(CSV * 99)[:-20], "gzip that ends before its end")],
)
def test_gzip_that_is_none(into: Path, body: bytes, words: str) -> None:
    with pytest.raises(Incorrect, match=words):
        fetched(saying(body, Content_Encoding="gzip"), into)


def test_an_answer_shorter_than_it_says(into: Path) -> None:
    with pytest.raises(Unavailable, match=r"ends before its end.*\(3 tries\)"):
        fetched(saying(CSV, Content_Length="1000"), into)


def test_what_is_no_http_and_what_is_nobody(into: Path) -> None:
    async def rude(_asked: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-hello\r\n\r\n")

    with pytest.raises(Unavailable, match="does not speak HTTP rightly"):
        fetched(rude, into)
    with pytest.raises(Unavailable, match=r"no connection to http://127.0.0.1:1/"):
        asyncio.run(fetch("http://127.0.0.1:1/", None, into, OURS, Pauses()))


def test_redirects_are_followed_so_far_and_relative_ones_too(into: Path) -> None:
    async def answer(asked: bytes, writer: asyncio.StreamWriter) -> None:
        there = b"GET /there?a=1 " in asked
        await (saying() if there else saying(b"", "302 Found", Location="/there?a=1"))(asked, writer)

    found, _ = fetched(answer, into)
    assert into.read_bytes() == CSV and found.url.endswith("/there?…")
    with pytest.raises(Incorrect, match="sends on to another address more than 5 times"):
        fetched(saying(b"", "301 On", Location="/again"), into)
    with pytest.raises(Incorrect, match="must begin with http:// or https://"):
        fetched(saying(b"", "307 On", Location="file:///etc/passwd"), into)


def test_an_authentication_header_stays_with_its_host(into: Path) -> None:
    async def run() -> tuple[bytes, bytes]:
        async with serving(saying()) as other, serving(saying(b"", "302 On", Location=f"http://127.0.0.1:{other.port}/")) as source:
            await fetch(source.url, ("Authorization", "Bearer b"), into, OURS, Pauses())
            return source.asked[0], other.asked[0]

    first, second = asyncio.run(run())
    assert b"Bearer b" in first and b"Bearer" not in second and b"uthorization" not in second


def test_a_redirect_to_a_private_address_is_refused_before_anything_is_sent_there(into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    public = addresses.is_public
    monkeypatch.setattr(addresses, "is_public", lambda one: one == "127.0.0.1" or public(one))  # as if the source were outside

    async def run() -> None:
        async with serving(saying()) as inside, serving(saying(b"", "302 On", Location=f"http://127.0.0.2:{inside.port}/")) as source:
            try:
                await fetch(source.url, None, into, Limits(), Pauses())
            finally:
                assert inside.asked == []

    with pytest.raises(Forbidden, match=r"'127.0.0.2' is at 127.0.0.2, inside this network.*VARVE_LOADING__ALLOW_PRIVATE"):
        asyncio.run(run())


def test_the_connection_goes_to_the_address_that_was_judged(into: Path) -> None:
    """A name that answers with another address each time is asked for once."""
    answers = [["127.0.0.1"], ["192.0.2.1"]]

    async def rebinding(_host: str, _port: int) -> Sequence[str]:
        return answers.pop(0)

    async def run() -> bytes:
        async with serving(saying()) as source:
            await fetch(f"http://source.example:{source.port}/", None, into, OURS, Pauses(), rebinding)
            return source.asked[0].lower()

    assert b"host: source.example:" in asyncio.run(run())
    assert len(answers) == 1


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255",
     "::1", "::", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1",
     "2002:7f00:1::1", "::7f00:1", "x", "2001:0:7f00:1:0:0:f5ff:fffe"],
)  # fmt: skip
def test_addresses_inside_are_not_asked(address: str, into: Path) -> None:
    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return ["93.184.216.34", address]

    with pytest.raises(Forbidden, match="inside this network"):
        asyncio.run(fetch("http://source.example/", None, into, Limits(), Pauses(), resolve))


def test_public_addresses_are() -> None:
    assert all(map(addresses.is_public, ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:93.184.216.34"]))


@pytest.mark.parametrize("url", ["ftp://example.com/a", "file:///etc/passwd", "/a", "http:///a", "http://[::1"])
def test_addresses_that_are_none(url: str, into: Path) -> None:
    with pytest.raises(Incorrect, match="the address"):
        asyncio.run(fetch(url, None, into, OURS, Pauses()))


@pytest.mark.parametrize("header", [("X Key", "k"), ("X-Key", "k\r\nX-Other: 1"), ("Host", "inside"), ("X-Key", "schlüssel")])
def test_headers_that_cannot_be_sent(header: tuple[str, str], into: Path) -> None:
    with pytest.raises(Incorrect, match="header"):
        asyncio.run(fetch("http://127.0.0.1:1/", header, into, OURS, Pauses()))


def test_a_host_without_an_address_is_told(into: Path) -> None:
    with pytest.raises(Unavailable, match="'nobody.invalid' has no address"):
        asyncio.run(fetch("http://nobody.invalid/", None, into, OURS, Pauses()))


def test_words_hide_what_may_be_secret() -> None:
    assert shown("https://me:pass@example.com:8443/a/b?token=t#x") == "https://example.com:8443/a/b?…"


def test_limits_come_from_the_settings() -> None:
    assert limits_of(Settings().loading) == Limits()
