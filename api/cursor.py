"""Cursors of paged reads: where the next page starts, and the watermark vector and the question of the first page (I9).

Before: a read found that there is more. After: the client sends the text back unchanged. Pure.
"""

import base64
import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from varve.errors import Incorrect

_CHECK_BYTES = 6


@dataclass(frozen=True)
class Cursor:
    """key: of the last row of the page before; None on a first page. question: digest of the request's other parameters, so
    that a cursor cannot continue another read."""

    vector: Mapping[int, int]
    question: str
    log: str
    key: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        key = None if self.key is None else {name: str(one) if isinstance(one, uuid.UUID) else one for name, one in self.key.items()}
        marks = {str(partition): mark for partition, mark in self.vector.items()}
        body = json.dumps([marks, self.question, self.log, key], separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(_check(body) + body).decode().rstrip("=")


def read_cursor(text: str, question: str, log_id: str, vector: Mapping[int, int]) -> Cursor:
    """vector: what the store holds now; a cursor from beyond it belongs to a store that is gone."""
    try:
        whole = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        check, body = whole[:_CHECK_BYTES], whole[_CHECK_BYTES:]
        if check != _check(body):
            raise ValueError
        found, asked, log, key = json.loads(body)
        cursor = Cursor({int(k): int(v) for k, v in found.items()}, str(asked), str(log), _key(key))
    except (ValueError, TypeError, AttributeError):
        raise Incorrect("cursor-malformed", f"cursor: '{text[:60]}' is not a cursor: send back what Link or next gave, unchanged") from None
    if cursor.key is None or cursor.question != question:
        raise Incorrect("cursor-foreign", "cursor: it belongs to another question: change nothing but the cursor from page to page")
    if cursor.log != log_id[:8] or any(vector.get(partition, 0) < mark for partition, mark in cursor.vector.items()):
        raise Incorrect("cursor-expired", "cursor: what it continues is not served any more: start again without a cursor")
    return cursor


def _check(body: bytes) -> bytes:
    """Tells a cursor that was cut or changed on its way; no secret: who makes one up is answered as whom it belongs to would be."""
    return hashlib.blake2b(body, digest_size=_CHECK_BYTES).digest()


def question_of(*parts: object) -> str:
    return hashlib.blake2b(repr(parts).encode(), digest_size=6).hexdigest()


def _key(found: Any) -> dict[str, Any] | None:
    if found is None:
        return None
    return {name: uuid.UUID(one) if name in ("series_id", "run_id") else one for name, one in found.items()}
