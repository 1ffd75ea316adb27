"""Summaries by e-mail, as connections ask for them: once for a period, whoever is killed: of many who would send one the fold lets one.

Before: app.py calls step() where the scheduler is. After: an SMTP server. What was due while nothing ran is one summary of all of it.
Killed between the document and the server, a summary is lost rather than sent twice.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import make_msgid
from urllib.parse import unquote, urlsplit

from streams.loading.known import Known
from streams.loading.moments import read_time, said_time
from streams.loading.schedule import Schedule, last_due, schedule_of
from streams.loading.service import ABSENT, NOTICE, RUN, Condition, Document, Service
from streams.loading.summary import Period, summary
from streams.loading.tasks import Key, Run, Task, run_of
from varve.errors import Incorrect
from varve.settings import LoadingSettings

TRIES, PAUSE_SECONDS, SMTP_SECONDS_MAX = 3, 2.0, 30.0
_say = logging.getLogger("varve.loader")


class Mailer:
    """url: by which readers know the service."""

    def __init__(self, settings: LoadingSettings, service: Service, url: str) -> None:
        self._settings, self._service, self._url = settings, service, url
        self._sent: dict[Key, int] = {}  # the end of each connection's last period

    async def step(self, known: Known, now: int) -> None:
        if not self._settings.mail:
            return
        for key, connection in list(known.connections.items()):
            notification = (connection.body or {}).get("notification")
            schedule = schedule_of(notification["schedule"]) if notification else None
            due = None if schedule is None else last_due(schedule, now)
            if schedule is None or due is None or due <= self._sent.get(key, 0):
                continue
            tasks = [task for task in known.tasks.values() if task.tenant == connection.tenant and task.connection == connection.id]
            await self._send(connection, schedule, due, tasks)
            self._sent[key] = due

    async def _send(self, connection: Document, schedule: Schedule, due: int, tasks: Sequence[Task]) -> None:
        tenant, ident = connection.tenant, f"{connection.id}/{said_time(due)}"
        before = [one for one in await self._service.under(tenant, NOTICE, f"{connection.id}/") if one.body is not None]
        if any(one.id == ident for one in before):
            return
        ends = [read_time(one.id.partition("/")[2]) for one in before]
        period = Period(max([end for end in ends if end < due], default=schedule.since), due)
        assert connection.body is not None
        emails = connection.body["notification"]["recipientEmails"]
        said = {"status": "SENDING", "since": said_time(period.since), "until": said_time(due), "recipientEmails": emails}
        version = await self._service.put(tenant, NOTICE, ident, said, ABSENT)
        if version is None:
            return
        runs = [(task, await self._runs(task, period)) for task in tasks]
        subject, text = summary(str(connection.body["name"]), period, runs, self._url)
        refusal = await self._delivered(emails, subject, text)
        ended = {"status": "SENT"} if refusal is None else {"status": "FAILED", "message": refusal}
        await self._service.put(tenant, NOTICE, ident, said | ended, Condition(version))

    async def _runs(self, task: Task, period: Period) -> list[Run]:
        found = await self._service.under(task.tenant, RUN, f"{task.id}/")
        return [run for run in map(run_of, (one for one in found if one.body is not None)) if period.holds(run)]

    async def _delivered(self, emails: Sequence[str], subject: str, text: str) -> str | None:
        """None where the server took it; else why not."""
        import aiosmtplib

        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = self._settings.mail_from, ", ".join(emails), subject
        message["Message-ID"] = make_msgid(domain=self._settings.mail_from.rpartition("@")[2] or "localhost")
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text)
        server, refusal = server_of(self._settings.mail), ""
        for attempt in range(TRIES):
            try:
                refused, _ = await aiosmtplib.send(
                    message, hostname=server.host, port=server.port, use_tls=server.secure, username=server.user, password=server.password,
                    timeout=SMTP_SECONDS_MAX,
                )  # fmt: skip
            except (aiosmtplib.SMTPException, OSError, TimeoutError, ValueError) as reason:
                refusal = f"{type(reason).__name__}: {reason}"
                _say.warning("a summary to %s was not taken by %s: %s", ", ".join(emails), server.host, refusal)
                if attempt + 1 < TRIES:
                    await asyncio.sleep(PAUSE_SECONDS)
                continue
            for email, why in refused.items():
                _say.warning("the mail server refused %s: %s", email, why)
            return None if len(refused) < len(emails) else "the mail server refused all recipients"
        return refusal


@dataclass(frozen=True)
class Server:
    """secure: TLS from the beginning; else it is begun where the server offers it."""

    host: str
    port: int
    secure: bool
    user: str | None
    password: str | None


def server_of(address: str) -> Server:
    """Of smtp[s]://user:password@host:port."""
    try:
        found = urlsplit(address)
        port = found.port
    except ValueError as reason:
        raise Incorrect("mail-incorrect", f"VARVE_LOADING__MAIL is no address ({reason}): say smtp[s]://user:password@host:port") from None
    if found.scheme not in ("smtp", "smtps") or not found.hostname:
        raise Incorrect("mail-incorrect", "VARVE_LOADING__MAIL: say smtp[s]://user:password@host:port")
    secure = found.scheme == "smtps"
    user, password = (unquote(text) if text else None for text in (found.username, found.password))
    return Server(found.hostname, port or (465 if secure else 25), secure, user, password)
