"""A series' UTC days as text: which days hold something, and by which versions that may have changed since; a day's lines, and their MD5.
Nulls have no line: an empty value would make words of a day's numbers. A line break inside a text shows as a space, since the reader's
parser ends a line at any. Both say a line by the same words, so that an MD5 is that of the bytes.
"""

from sink.queries.layers import deleted, seen
from sink.queries.query import Query
from sink.queries.selection import Selection
from varve.events import ValueType

DAY_NS = 86_400 * 10**9
_BREAKS = r"[\n\r\x0b\x0c\x1c-\x1e\x{85}\x{2028}\x{2029}]+"


def days(selection: Selection) -> Query:
    """One row a day, by day: day (since 1970), version (the newest layer's), layers. Hidden layers count too."""
    where, bound = seen(selection)
    columns = "toInt32(toDate32(l.valid_time)) AS day, max(l.version) AS version, count() AS layers"
    conditions = "\n  AND ".join(where)
    return Query(f"SELECT {columns}\nFROM points AS l\nWHERE {conditions}\nGROUP BY day\nORDER BY day", bound)


def newest_deletion(selection: Selection) -> Query:
    """version: 0 where there is none in the selection's span."""
    hiding, bound = deleted(selection)
    return Query("SELECT max(d.version) AS version\nFROM deletions AS d\nWHERE " + "\n  AND ".join(hiding), bound)


def lines(flat: Query, kind: ValueType) -> Query:
    """line: time (ns since 1970) and value, by time. flat: of one series, valid_time and value."""
    table, bound = _lines(flat, kind)
    return Query(f"SELECT v.line AS line\nFROM {table} AS v", bound)


def digests(flat: Query, kind: ValueType) -> Query:
    """day, md5 (hex) of those that have a line. One thread keeps the lines in their order."""
    table, bound = _lines(flat, kind)
    text = "concat(arrayStringConcat(groupArray(v.line), '\\n'), '\\n')"
    day = f"intDiv(v.at - positiveModulo(v.at, {DAY_NS}), {DAY_NS})"
    return Query(f"SELECT {day} AS day, lower(hex(MD5({text}))) AS md5\nFROM {table} AS v\nGROUP BY day\nSETTINGS max_threads = 1", bound)


def _lines(flat: Query, kind: ValueType) -> tuple[str, dict[str, object]]:
    bound = dict(flat.parameters)
    match kind:
        case "number":
            value = "toString(assumeNotNull(r.value))"
        case "bool":
            value = "if(assumeNotNull(r.value), 'True', 'False')"
        case "text":
            value, bound["breaks"] = "replaceRegexpAll(assumeNotNull(r.value), {breaks:String}, ' ')", _BREAKS
    at = "toUnixTimestamp64Nano(r.valid_time)"
    line = f"concat(toString({at}), ',', {value}) AS line"
    return f"(\nSELECT {at} AS at, {line}\nFROM (\n{flat.sql}\n) AS r\nWHERE r.value IS NOT NULL\n)", bound
