"""`varve load`: somebody's own CSV or JSON file into series of a running Varve, by the same reader as HydroServer's tasks.

Before: varve/cli.py. After: streams/loading/by_hand.py. (`varve import` is for files that `varve export` made.)
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from varve.cli_files import TenantOption, UrlOption
from varve.cli_options import DataOption, read_settings, say, tenant_of, url_of
from varve.errors import VarveError
from varve.own_key import own_key

EXIT_REJECTED = 65  # EX_DATAERR of sysexits.h
ZoneOption = Annotated[
    str | None,
    typer.Option(help="of times that name none: America/Denver, or an offset such as -0700; UTC where absent", show_default=False),
]
FormatOption = Annotated[str | None, typer.Option("--format", help="of times, as in strftime: '%d/%m/%Y %H:%M'; ISO 8601 where absent")]


def load_file(
    file: Annotated[Path, typer.Argument(help="CSV, or JSON with --records", metavar="FILE")],
    time: Annotated[str, typer.Option(help="the column of times: its header, or its number where there are no headers")],
    value: Annotated[
        list[str], typer.Option(help="COLUMN=SERIES (a key or an id); repeat for several. The series is called as the column where absent")
    ],
    timezone: ZoneOption = None,
    form: FormatOption = None,
    delimiter: Annotated[str, typer.Option(help="one of , ; | or comma, semicolon, pipe, tab, space")] = ",",
    header_row: Annotated[int | None, typer.Option("--header-row", help="row of the headers, from 1; comments do not count")] = None,
    data_row: Annotated[
        int | None, typer.Option("--data-row", help="first row of readings, where it is not the one after the headers")
    ] = None,
    no_data: Annotated[
        list[str] | None, typer.Option("--no-data", help="a cell that means there is no reading: -9999; repeat for several")
    ] = None,
    decimal_comma: Annotated[bool, typer.Option("--decimal-comma", help="numbers are written 1,5")] = False,
    encoding: Annotated[str | None, typer.Option(help="windows-1252, utf-16, …; UTF-8 where absent", show_default=False)] = None,
    records: Annotated[str | None, typer.Option(help="the file is JSON: JMESPath of its records, such as 'data[*]'")] = None,
    check: Annotated[bool, typer.Option("--check", help="look at the file and send nothing")] = False,
    changed_by: Annotated[str | None, typer.Option("--changed-by", help="who does it")] = None,
    tenant: TenantOption = None,
    url: UrlOption = None,
    data: DataOption = None,
) -> None:
    """Write readings of FILE into series; repeated within seven days, it counts once. Lines that cannot be read are told, the rest is
    loaded, and the command ends with 65."""
    from streams.loading.by_hand import load, rows_about
    from streams.loading.by_hand_words import series_of, zone_of
    from streams.loading.specs import DELIMITERS, source_of
    from varve.client_http import line_to
    from varve.client_progress import transfer

    series = series_of(value)
    with _in_options():
        source = source_of(
            {"url": str(file), "payload": "CSV" if records is None else "JSON", "timestamp_key": time, "timestamp_format": form,
             "header_row": header_row, "data_start_row": data_row, "delimiter": DELIMITERS.get(delimiter, delimiter), "jmespath": records,
             "no_data": no_data or (), "decimal_point": "," if decimal_comma else ".", "encoding": encoding,
             **zone_of(timezone)}
        )  # fmt: skip
    settings = read_settings(data)
    about = rows_about(file) if records is None else None
    with _in_options(), transfer(f"loading {file.name}", about) as advance:
        if check:
            done = load(None, file, source, series, changed_by, advance)
        else:
            where = url or url_of(settings, named=data is not None)
            with line_to(where, tenant_of(tenant), own_key(settings, where)) as line:
                done = load(line, file, source, series, changed_by, advance)
    for name, one in series.items():
        say(f"{file}: {name}: {done.values.get(name, 0):,} value(s){'' if check else f' into {one}'}")
    became = "found" if check else "loaded"
    say(f"{file}: {done.rows:,} row(s) read, {done.values_all:,} value(s) {became}, {done.rejected_count:,} rejected")
    if done.span():
        say(f"{file}: {done.span()}")
    if done.before():
        say(f"{file}: {done.before()}")
    if done.assumed_utc:
        typer.echo(
            f"{file}: {done.assumed_utc:,} time(s) name no timezone and were read as UTC: say --timezone if they are local times", err=True
        )
    _tell_rejected(done.rejected, done.rejected_count, file)


@contextmanager
def _in_options() -> Iterator[None]:
    """The reader names the settings of a source; who loads by hand has options."""
    from streams.loading.by_hand_words import in_options

    try:
        yield
    except VarveError as refusal:
        raise refusal.reworded(in_options(refusal.message)) from None


def _tell_rejected(rejected: list[Any], count: int, file: Path) -> None:
    from streams.loading.by_hand_words import in_options

    for one in rejected:
        typer.echo(f"{file}:{one.line}: {one.column}: {in_options(one.reason)}", err=True)
    if count > len(rejected):
        typer.echo(f"{file}: and {count - len(rejected):,} more", err=True)
    if count:
        raise typer.Exit(EXIT_REJECTED)
