"""Summaries of loads through a real SMTP server: what they say, once for a period, and what happens where the server will not have them."""

import asyncio
import uuid
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from streams.loading import mail
from streams.loading.mail import Mailer, server_of
from streams.loading.moments import said_time
from streams.loading.scheduler import Scheduler
from streams.loading.service import CONNECTION, NOTICE, RUN, Wake
from tests.conftest import free_port
from tests.simulation.loading_service import Guards
from tests.simulation.loading_world import CONNECTION_ID, MINUTE, PATIENCE, START, TASK_ID, LoadingWorld
from varve.errors import Incorrect
from varve.series import DEFAULT_TENANT
from varve.settings import LoadingSettings

EMAILS = ["admin@example.com", "engineer@example.com"]


class Inbox:
    """refusing: it answers so to every recipient."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.refusing = ""

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if self.refusing:
            return self.refusing
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        found = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(found, EmailMessage) and envelope.rcpt_tos == EMAILS
        self.messages.append(found)
        return "250 OK"


@pytest.fixture
def inbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Inbox, LoadingSettings]]:
    monkeypatch.setattr(mail, "PAUSE_SECONDS", 0.0)
    found = Inbox()
    controller = Controller(found, hostname="127.0.0.1", port=free_port())
    controller.start()
    yield found, LoadingSettings(mail=f"smtp://127.0.0.1:{controller.port}", mail_from="varve@example.org")
    controller.stop()


def world_of() -> LoadingWorld:
    """An hour's summary of a task that ran twice, and failed once."""
    world = LoadingWorld(1, Guards(), 0.0)
    body = dict(world.service.newest[DEFAULT_TENANT, CONNECTION, CONNECTION_ID].body or {})
    schedule = {"enabled": True, "interval": 1, "intervalPeriod": "hours", "since": said_time(START)}
    body |= {"name": "River\nBcc: x@example.com", "notification": {"recipientEmails": EMAILS, "schedule": schedule}}
    world.service.set(DEFAULT_TENANT, CONNECTION, CONNECTION_ID, body)
    run(world, 5, "SUCCESS", "Loaded 12 observation(s) into 2 datastream(s).", 12)
    run(world, 30, "FAILURE", "column 'Temprature' is not in the source; it has: Temperature", 0)
    run(world, 61, "SUCCESS", "of the next hour", 1)
    world.clock.ns = START + 70 * MINUTE
    return world


def run(world: LoadingWorld, minute: int, status: str, message: str, loaded: int) -> None:
    ended = said_time(START + minute * MINUTE)
    body = {"status": status, "message": message, "finishedAt": ended, "requestedAt": ended, "result": {"valuesLoaded": loaded}}
    world.service.set(DEFAULT_TENANT, RUN, f"{TASK_ID}/{uuid.uuid4()}", body)


def step(world: LoadingWorld, settings: LoadingSettings) -> None:
    """By a process that knows nothing of a former one."""

    async def wake(_: Wake) -> None:
        return

    async def stepping() -> None:
        scheduler = Scheduler(world.service, wake, "mailer/1", PATIENCE)
        now = await scheduler.step()
        await Mailer(settings, world.service, "https://varve.example.org").step(scheduler.known, now)

    asyncio.run(stepping())


def notices(world: LoadingWorld) -> list[dict[str, Any]]:
    return [dict(one.body or {}) for (_, kind, _), one in world.service.newest.items() if kind == NOTICE]


def test_a_summary_says_what_ran_what_failed_and_why_with_links_once_for_its_period(inbox: tuple[Inbox, LoadingSettings]) -> None:
    box, settings = inbox
    world = world_of()
    for _ in range(3):
        step(world, settings)
    (message,) = box.messages
    assert message["To"] == ", ".join(EMAILS)
    assert message["From"] == "varve@example.org"
    assert message["Bcc"] is None
    assert message["Subject"] == "Varve: River Bcc: x@example.com: 2 runs, 1 failed"
    text = message.get_content()
    assert "t: 2 runs, 1 failed, 12 observations loaded" in text
    assert "FAILURE: column 'Temprature' is not in the source; it has: Temperature" in text
    assert f"https://varve.example.org/api/data/etl/tasks/{TASK_ID}/runs" in text
    assert "of the next hour" not in text
    assert [one["status"] for one in notices(world)] == ["SENT"]


def test_what_was_due_while_nothing_ran_is_one_summary_of_all_of_it(inbox: tuple[Inbox, LoadingSettings]) -> None:
    box, settings = inbox
    world = world_of()
    world.clock.ns = START + 60 * 7 * MINUTE
    step(world, settings)
    world.clock.ns += 60 * MINUTE
    step(world, settings)
    assert [one["Subject"].partition(": ")[2].rpartition(": ")[2] for one in box.messages] == ["3 runs, 1 failed", "nothing ran"]


def test_a_server_that_refuses_is_told_of_and_asked_no_more_for_that_period(inbox: tuple[Inbox, LoadingSettings]) -> None:
    box, settings = inbox
    box.refusing = "550 no such user"
    world = world_of()
    for _ in range(2):
        step(world, settings)
    assert box.messages == []
    (notice,) = notices(world)
    assert notice["status"] == "FAILED" and "550" in notice["message"]


def test_without_a_server_nothing_is_sent_or_written() -> None:
    world = world_of()
    step(world, LoadingSettings())
    assert notices(world) == []


def test_the_address_of_the_server_is_read_or_refused() -> None:
    found = server_of("smtps://varve%40example.org:p%2Fw@mail.example.org")
    assert (found.host, found.port, found.secure, found.user, found.password) == ("mail.example.org", 465, True, "varve@example.org", "p/w")
    for wrong in ("mail.example.org:25", "http://mail.example.org", "smtp://mail.example.org:port", "smtp://"):
        with pytest.raises(Incorrect, match="VARVE_LOADING__MAIL"):
            server_of(wrong)
