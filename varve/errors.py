"""Errors by whose fault they are; one handler in api/errors.py turns them into HTTP, and each door words its own.

Each raise names a stable `code` (kebab case) and a message that says what was wrong, where, and what to do.
`rows` lists the bad rows of an upload (the first 100), each with row, column and reason.
"""

from dataclasses import dataclass
from typing import Self

ROWS_LISTED_MAX = 100


@dataclass(frozen=True)
class BadRow:
    row: int
    column: str
    reason: str


class VarveError(Exception):
    """Base of all errors that a person may read."""

    status = 500

    def __init__(self, code: str, message: str, rows: tuple[BadRow, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.rows = rows[:ROWS_LISTED_MAX]

    def reworded(self, message: str) -> Self:
        """The same error, told otherwise."""
        other = type(self).__new__(type(self), message)
        vars(other).update(vars(self), message=message)
        return other


class Incorrect(VarveError):
    """The request or event itself is wrong; repeating it will not help."""

    status = 422


class NotFound(VarveError):
    status = 404


class Conflict(VarveError):
    status = 409


class Unauthorized(VarveError):
    """Nobody known asks."""

    status = 401


class Forbidden(VarveError):
    """Who asks is known, and may not."""

    status = 403


class TooLarge(VarveError):
    status = 413


class UnsupportedType(VarveError):
    status = 415


class TooOften(VarveError):
    """Ask again later; seconds: when."""

    status = 429

    def __init__(self, code: str, message: str, seconds: float) -> None:
        super().__init__(code, message)
        self.seconds = seconds


class Unavailable(VarveError):
    """A part of Varve does not answer; the same request may work later."""

    status = 503


class Fault(VarveError):
    """A defect of ours or a broken invariant; the message names the repair."""

    status = 500
