"""`varve dead-letters list | show | resubmit`: what was refused, why, and how to send it again (I6).

Before: the route agent, the fold agent and the sink wrote the letters. After: a person corrects what was wrong.
"""

import json
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from varve.cli_options import DataOption, connected, say
from varve.settings import Settings

if TYPE_CHECKING:
    from streams.log_kafka import KafkaLog
    from streams.topics import Topics

T = TypeVar("T")
letters = typer.Typer(no_args_is_help=True, help="Records that were refused: look at them, correct the cause, send them again.")
NumberArgument = Annotated[int, typer.Argument(help="the letter's number, as `list` shows it")]


@letters.command("list")
def list_(data: DataOption = None, newest: Annotated[int, typer.Option(min=1, help="how many")] = 100) -> None:
    """The newest letters: number, time, where the record stands, and why it was refused."""
    from streams.dead_letters import list_letters
    from varve.instants import format_instant

    found = _asked(connected(data), lambda log, topics: list_letters(log, topics, newest))
    for one in found:
        letter = one.letter
        where = f"{letter.topic}[{letter.partition}]@{letter.offset}"
        say(f"{one.number}  {format_instant(letter.time)}  {where}  {letter.code}: {letter.reason}")
    if not found:
        say("no dead letters")


@letters.command()
def show(
    number: NumberArgument,
    data: DataOption = None,
    raw: Annotated[bool, typer.Option("--raw", help="the record's bytes and nothing else")] = False,
) -> None:
    """One letter with its original bytes."""
    from streams.dead_letters import show_letter
    from varve.instants import format_instant

    letter = _asked(connected(data), lambda log, topics: show_letter(log, topics, number))
    if raw:
        sys.stdout.buffer.write(letter.value)
        return
    say(f"refused   {letter.code}: {letter.reason}")
    say(f"record    {letter.topic}, partition {letter.partition}, offset {letter.offset}, {format_instant(letter.time)}")
    say(f"content   {letter.content_type or 'application/json'}, {len(letter.value)} bytes")
    say(_readable(letter.value))


@letters.command()
def resubmit(number: NumberArgument, data: DataOption = None) -> None:
    """Append a letter's original bytes to varve.intake again, as they are."""
    from streams.dead_letters import resubmit_letter

    stored = _asked(connected(data), lambda log, topics: resubmit_letter(log, topics, number))
    say(f"letter {number} is on intake again: partition {stored.partition}, offset {stored.offset}")


def _asked(settings: Settings, ask: "Callable[[KafkaLog, Topics], Awaitable[T]]") -> T:
    from varve.offline import run_with_log

    return run_with_log(settings, lambda log: ask(log, log.topics))


def _readable(value: bytes) -> str:
    try:
        return json.dumps(json.loads(value), indent=1, ensure_ascii=False)
    except ValueError:
        return f"{value[:400]!r} (whole with --raw)"
