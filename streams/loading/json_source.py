"""A JSON document as chunks: JMESPath selects its records, each an object with a time and values. The document is held in memory, so it
has a bound.

Before: reading.py says which fields are wanted. After: chunks go to whoever appends them. Lines are the records' numbers, from 1.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jmespath
import numpy as np
import pyarrow as pa

from streams.loading.chunks import REJECTED_LISTED_MAX, Chunk, Rejected
from streams.loading.numbers import numbers, why
from streams.loading.rows import Rows, chunks_of
from streams.loading.specs import Source
from streams.loading.timestamps import Clock
from varve.errors import Incorrect, TooLarge

DOCUMENT_BYTES_MAX = 64 << 20
_LISTED_MAX = 30
_KINDS = {dict: "an object", list: "a list", str: "text", int: "a number", float: "a number", bool: "true or false", type(None): "null"}
_Record = dict[str, Any]


def chunks(path: Path, source: Source, wanted: Sequence[str], rows_max: int) -> Iterator[Chunk]:
    records = _records(_document(path), source.jmespath or "@")
    if records:
        _refuse_missing(records, (source.timestamp_key, *wanted), source.timestamp_key)
    pieces = (_rows(records[at : at + rows_max], at + 1, source, wanted) for at in range(0, len(records), rows_max))
    yield from chunks_of(pieces, source.timestamp_key, Clock(source), rows_max)


def _document(path: Path) -> Any:
    if (size := path.stat().st_size) > DOCUMENT_BYTES_MAX:
        words = f"the JSON document has {size >> 20} MiB; at most {DOCUMENT_BYTES_MAX >> 20} are read: ask the source for a shorter span"
        raise TooLarge("source-too-large", words)
    text = path.read_bytes()
    if not text.strip():
        raise Incorrect("source-empty", "the source is empty: it has no document")
    if text.lstrip()[:1] == b"<":
        raise Incorrect("source-form", "the source is a page (HTML or XML), not JSON: look at it in a browser; it may ask for a log-in")
    try:
        return json.loads(text)
    except json.JSONDecodeError as wrong:
        words = f"the source is not JSON: {wrong.msg} in line {wrong.lineno}, column {wrong.colno}"
        raise Incorrect("source-form", words) from None
    except UnicodeDecodeError as wrong:
        line = text.count(b"\n", 0, wrong.start) + 1
        raise Incorrect("source-encoding", f"line {line}: byte 0x{text[wrong.start]:02X} is not UTF-8: the source must be UTF-8") from None
    except RecursionError:
        raise Incorrect("source-form", "the source is JSON nested too deeply to be read") from None


def _records(document: Any, expression: str) -> list[_Record]:
    try:
        found = jmespath.search(expression, document)
    except (jmespath.exceptions.JMESPathError, RecursionError) as reason:
        words = str(reason).strip().splitlines()[0][:200] or "nested too deeply"
        raise Incorrect("jmespath-refused", f"jmespath '{expression}' cannot be applied to the document: {words}") from None
    if found is None:
        raise Incorrect("jmespath-nothing", f"jmespath '{expression}' selects nothing in the document; {_top(document)}")
    if isinstance(found, dict):
        return [found]
    if not isinstance(found, list):
        words = f"jmespath '{expression}' selects {_KINDS.get(type(found), 'something else')}, not a list of records; {_top(document)}"
        raise Incorrect("jmespath-no-list", words)
    strange = next((one for one in found if not isinstance(one, dict)), None)
    if strange is not None or None in found:
        words = f"jmespath '{expression}' selects a list with {_KINDS.get(type(strange), 'something else')} in it: records must be objects"
        raise Incorrect("jmespath-no-records", f"{words}; {_top(document)}")
    return found


def _top(document: Any) -> str:
    if isinstance(document, dict):
        names = list(document)
        return f"the document has: {', '.join(names[:_LISTED_MAX])}" if names else "the document is an empty object"
    return f"the document is {_KINDS.get(type(document), 'something else')}"


def _refuse_missing(records: Sequence[_Record], names: Sequence[str], time_name: str) -> None:
    """A field that no record has; one that some lack is a matter of those."""
    there = dict.fromkeys(name for record in records for name in record)
    for name in names:
        if name not in there:
            kind = "time field" if name == time_name else "field"
            more = f" and {len(there) - _LISTED_MAX} more" if len(there) > _LISTED_MAX else ""
            raise Incorrect(
                "column-missing", f"{kind} '{name}' is not in the records; they have: {', '.join([*there][:_LISTED_MAX])}{more}"
            )


def _rows(records: Sequence[_Record], first: int, source: Source, wanted: Sequence[str]) -> Rows:
    lines = np.arange(first, first + len(records))
    refused, count = list[Rejected](), 0
    times = [record.get(source.timestamp_key) for record in records]
    texts = pa.array([one if isinstance(one, str) else None if one is None else json.dumps(one) for one in times], pa.string())
    values = {}
    for name in wanted:
        words = pa.array([_word(record.get(name)) for record in records], pa.string())
        values[name], wrong = numbers(words, source)
        refused += [Rejected(int(lines[row]), name, why(words[row].as_py(), source)) for row in wrong[:REJECTED_LISTED_MAX].tolist()]
        count += len(wrong)
    return Rows(texts, values, lines, len(records), sorted(refused), count)


def _word(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return repr(value) if isinstance(value, float | int) and not isinstance(value, bool) else json.dumps(value)
