"""TempoDB's answers as JSON bytes, columns at a time. Pure.

Before: reads made columns of instants and values. After: the client; NaN inside is a null (I10).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from api.doors.tempodb.times import Zone


def points_json(times: NDArray[np.int64], values: NDArray[np.float64], zone: Zone) -> bytes:
    """[{"t": ..., "v": 12.5}, ...]"""
    pairs = zip(_texts(times, zone), numbers_json(values), strict=True)
    return b"[" + b",".join([b'{"t":"%b","v":%b}' % pair for pair in pairs]) + b"]"


def groups_json(
    times: NDArray[np.int64], starts: NDArray[np.intp], names: Sequence[bytes], values: NDArray[np.float64], zone: Zone
) -> bytes:
    """[{"t": ..., "v": {name: value, ...}}, ...]: names, values have a row each, times and starts (of its rows) a group each."""
    entries = [b"%b:%b" % pair for pair in zip(names, numbers_json(values), strict=True)]
    ends = [*starts[1:].tolist(), len(entries)]
    rows = zip(_texts(times, zone), starts.tolist(), ends, strict=True)
    return b"[" + b",".join([b'{"t":"%b","v":{%b}}' % (text, b",".join(entries[first:end])) for text, first, end in rows]) + b"]"


def founds_json(edges: NDArray[np.int64], times: NDArray[np.int64], values: NDArray[np.float64], zone: Zone) -> bytes:
    """[{"interval": {"start": ..., "end": ...}, "found": {"t": ..., "v": ...}}, ...]; edges: int64[n, 2]."""
    rows = zip(*(_texts(column, zone) for column in (edges[:, 0], edges[:, 1], times)), numbers_json(values), strict=True)
    form = b'{"interval":{"start":"%b","end":"%b"},"found":{"t":"%b","v":%b}}'
    return b"[" + b",".join([form % row for row in rows]) + b"]"


def object_json(fields: Mapping[str, Any], written: Mapping[str, bytes]) -> bytes:
    """An object of plain fields and of fields that are JSON already."""
    parts = [orjson.dumps(name) + b":" + orjson.dumps(one) for name, one in fields.items()]
    return b"{" + b",".join([*parts, *(orjson.dumps(name) + b":" + text for name, text in written.items())]) + b"}"


def numbers_json(values: NDArray[np.float64]) -> list[bytes]:
    if not len(values):
        return []
    return orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",")


def _texts(times: NDArray[np.int64], zone: Zone) -> list[bytes]:
    return [text.encode() for text in zone.texts(times)]
