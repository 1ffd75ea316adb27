"""A question to the store: SQL with {name:Type} places and what is bound to them. Values are never formatted into SQL."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Query:
    sql: str
    parameters: dict[str, Any] = field(default_factory=dict)
