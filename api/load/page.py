"""The page on which a person gives a file of readings: a form, and what became of it. Plain HTML, no script. Pure.

Before: routes.py. After: a browser. Whatever came with the request is escaped.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from fastapi import Response

from api.access.pages import HEADERS
from streams.loading.by_hand import Loaded
from streams.loading.by_hand_words import in_form

REJECTED_SHOWN_MAX = 100
DELIMITERS = {"comma": "comma ,", "semicolon": "semicolon ;", "tab": "tab", "pipe": "pipe |", "space": "space"}
DECIMALS = {"point": "point 1.5", "comma": "comma 1,5"}
_STYLE = """
:root{color-scheme:light dark;--line:#8886;--soft:#8881;--act:#0b6b8f}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:0 auto;padding:2rem 1rem 4rem}
h1{font-size:1.6rem;margin:0 0 .25rem}h2{font-size:1.1rem;margin:2rem 0 .5rem}
.soft{opacity:.75;margin:0 0 1.5rem}
form{display:grid;grid-template-columns:1fr 1fr;gap:1rem;align-items:start;border:1px solid var(--line);border-radius:.6rem;padding:1.25rem}
label{display:block;font-weight:600}label.wide,.acts{grid-column:1/-1}
label small{display:block;font-weight:400;opacity:.75}
input,select,textarea{font:inherit;font-weight:400;
width:100%;margin-top:.3rem;padding:.45rem .6rem;border:1px solid var(--line);border-radius:.35rem;
background:transparent;color:inherit}
textarea{min-height:5.5rem;font-family:ui-monospace,monospace;font-size:.95em}
.acts{display:flex;gap:.75rem}
button{font:inherit;font-weight:600;padding:.5rem 1.2rem;border-radius:.35rem;border:1px solid var(--act);background:var(--act);color:#fff;
cursor:pointer}
button.second{background:transparent;color:inherit}
.said{border-left:.3rem solid #a33;background:#a331;padding:.75rem 1rem;margin:0 0 1.5rem;white-space:pre-wrap;overflow-wrap:anywhere}
.said.good{border-color:#3a7;background:#3a71}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid var(--line)}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
@media(max-width:36rem){form{grid-template-columns:1fr}}
"""


@dataclass(frozen=True)
class Told:
    """What became of a file. series: by column. checked: it was looked at, and nothing was written."""

    file: str
    series: Mapping[str, object]
    done: Loaded
    checked: bool


def form_page(fields: Mapping[str, str], keyed: bool, refusal: str = "", status: int = 200, told: Told | None = None) -> Response:
    """keyed: access is on, so the form asks for a key."""
    said = f'<p class="said" role="alert">{escape(refusal)}</p>' if refusal else ""
    body = (
        "<h1>Load a file</h1>"
        '<p class="soft">Readings of a CSV file into series. What cannot be read is told by line; the rest is loaded. The same file counts '
        "once.</p>"
        f"{said}{_told(told) if told else ''}{_form(fields, keyed)}"
    )
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Load a file - Varve</title>'
    head += f"<style>{_STYLE}</style>"
    return Response(f"<!doctype html><html lang=en><head>{head}</head><body>{body}</body></html>", status, HEADERS, "text/html")


def _form(fields: Mapping[str, str], keyed: bool) -> str:
    """The file is last: what stands before it is looked at first."""
    return (
        '<form method="post" enctype="multipart/form-data">'
        + (
            _input("key", "API key", "of a user who may write", {}, 'type="password" required autocomplete="off"', wide=True)
            if keyed
            else ""
        )
        + _input("time", "Column of times", "its header", fields, "required")
        + _input("format", "Format of times", "%d/%m/%Y %H:%M; empty: ISO 8601", fields)
        + _input("timezone", "Timezone", "America/Denver, or -0700; empty: UTC", fields)
        + _select("delimiter", DELIMITERS, "Delimiter", "between columns", fields)
        + _input("header_row", "Header row", "empty: 1; lines with # do not count", fields, 'type="number" min="1"')
        + _input("data_row", "First row of readings", "empty: the one after the headers", fields, 'type="number" min="1"')
        + _select("decimal", DECIMALS, "Decimals", "of numbers", fields)
        + _input("no_data", "No reading", "words for it, with blanks between: -9999 ---", fields)
        + _input("encoding", "Encoding", "windows-1252, utf-16; empty: UTF-8", fields)
        + _area("values", "Columns of values", "one a line: Column, or Column=series", fields)
        + '<label class="wide">File<input type="file" name="file" required accept=".csv,.txt,.tsv,text/csv,text/plain"></label>'
        '<div class="acts"><button name="do" value="load" formaction="/load">Load</button>'
        '<button class="second" name="do" value="check" formaction="/load?check=1">Only look</button></div></form>'
    )


def _input(name: str, label: str, hint: str, fields: Mapping[str, str], more: str = "", *, wide: bool = False) -> str:
    value = escape(fields.get(name, ""))
    return f'<label{_wide(wide)}>{label}<small>{hint}</small><input name="{name}" value="{value}" {more}></label>'


def _area(name: str, label: str, hint: str, fields: Mapping[str, str]) -> str:
    text = escape(fields.get(name, ""))
    return f'<label class="wide">{label}<small>{hint}</small><textarea name="{name}" required spellcheck="false">{text}</textarea></label>'


def _select(name: str, choices: Mapping[str, str], label: str, hint: str, fields: Mapping[str, str]) -> str:
    chosen = fields.get(name, next(iter(choices)))
    options = "".join(f'<option value="{one}"{" selected" if one == chosen else ""}>{said}</option>' for one, said in choices.items())
    return f'<label>{label}<small>{hint}</small><select name="{name}">{options}</select></label>'


def _wide(wide: bool) -> str:
    return ' class="wide"' if wide else ""


def _told(told: Told) -> str:
    done = told.done
    became = "would be loaded; nothing is written yet" if told.checked else "loaded"
    good = "" if done.rejected_count else " good"
    lost = f", {done.rejected_count:,} rejected" if done.rejected_count else ""
    read = f"{escape(told.file)}: {done.rows:,} row(s) read, {done.values_all:,} value(s) {became}{lost}."
    said = f'<p class="said{good}" role="status">{read}</p>'
    if done.span():
        said += f"<p>It has {escape(done.span())}.</p>"
    if done.before():
        said += f"<p>{escape(done.before().capitalize())}.</p>"
    if done.assumed_utc:
        said += f"<p>{done.assumed_utc:,} time(s) name no timezone and were read as UTC: say the timezone if they are local times.</p>"
    rows = "".join(
        f"<tr><td>{escape(name)}<td>{escape(str(one))}<td class=n>{done.values.get(name, 0):,}" for name, one in told.series.items()
    )
    table = f"<table><thead><tr><th>Column<th>Series<th class=n>Values</thead><tbody>{rows}</tbody></table>"
    return said + table + (_rejected(done) if done.rejected_count else "") + "<h2>Another file</h2>"


def _rejected(done: Loaded) -> str:
    shown = done.rejected[:REJECTED_SHOWN_MAX]
    rows = "".join(f"<tr><td class=n>{one.line:,}<td>{escape(one.column)}<td>{escape(in_form(one.reason))}" for one in shown)
    rest = done.rejected_count - len(shown)
    more = f"<p>and {rest:,} more</p>" if rest else ""
    return f"<h2>Rejected</h2><table><thead><tr><th class=n>Line<th>Column<th>Why</thead><tbody>{rows}</tbody></table>{more}"
