"""`varve export` and `varve import`: series as Parquet or CSV files, out of and into a running Varve.

Before: varve/cli.py. After: varve/export.py and varve/importing.py, over HTTP.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from varve.cli_options import DataOption, named_series, read_settings, say, tenant_of, url_of
from varve.errors import Incorrect
from varve.own_key import own_key

TenantOption = Annotated[str | None, typer.Option(help="UUID of the tenant; the default one where absent")]
UrlOption = Annotated[str | None, typer.Option(help="the server; the one that runs on the data directory where absent")]
TagOption = Annotated[list[str] | None, typer.Option(help="repeat for several; a series must have all of them")]
PairOption = Annotated[list[str] | None, typer.Option(help="name:value; repeat for several")]
ShapeOption = Annotated[
    Literal["flat", "overlapping", "history"],
    typer.Option(help="flat: what is known now; overlapping: by known_time; history: every layer"),
]


def export_series(
    words: Annotated[list[str], typer.Argument(metavar="[SERIES]... FILE_OR_DIR", help="keys or ids, then where to")],
    prefix: Annotated[str | None, typer.Option(help="series whose key begins so")] = None,
    name: Annotated[str | None, typer.Option(help="series of this name")] = None,
    unit: Annotated[str | None, typer.Option(help="series of this unit")] = None,
    tag: TagOption = None,
    attribute: PairOption = None,
    label: PairOption = None,
    from_: Annotated[str | None, typer.Option("--from", help="first valid_time, included")] = None,
    until: Annotated[str | None, typer.Option("--until", help="last valid_time, excluded")] = None,
    as_of: Annotated[str | None, typer.Option("--as-of", help="only what was known at this time")] = None,
    shape: ShapeOption = "flat",
    form: Annotated[Literal["parquet", "csv"], typer.Option("--format", help="of the files in a directory")] = "parquet",
    tenant: TenantOption = None,
    url: UrlOption = None,
    data: DataOption = None,
) -> None:
    """Write series to FILE (.parquet or .csv), or to a file for each type of values in DIR; without SERIES or a filter, all of them."""
    from varve.client_http import line_to
    from varve.export import Wanted, export

    *names, last = words
    filters: dict[str, Any] = {"prefix": prefix, "name": name, "unit": unit, "tag": tag, "attribute": attribute, "label": label}
    if names and any(filters.values()):
        raise Incorrect("series-twice", "name series, or choose them by filters: not both")
    target, single = Path(last), Path(last).suffix in (".parquet", ".csv")
    if not single and not (target.is_dir() or last.endswith("/")):
        raise Incorrect("file-form", f"{last}: say a file that ends in .parquet or .csv, or a directory (one to be made: {last}/)")
    wanted = Wanted([named_series(one) for one in names], filters, shape, {"from": from_, "until": until, "as_of": as_of})
    settings = read_settings(data)
    where = url or url_of(settings, named=data is not None)
    with line_to(where, tenant_of(tenant), own_key(settings, where)) as line:
        for done in export(line, wanted, target, None if single else f".{form}"):
            say(f"{done.path}: {done.rows:,} row(s) of {done.series:,} series")


def import_series(
    source: Annotated[Path, typer.Argument(help="a .parquet or .csv file, or a directory of them", metavar="FILE_OR_DIR")],
    series: Annotated[str | None, typer.Option(help="key of the series, for a file without a column `series`")] = None,
    changed_by: Annotated[str | None, typer.Option("--changed-by", help="who does it")] = None,
    tenant: TenantOption = None,
    url: UrlOption = None,
    data: DataOption = None,
) -> None:
    """Write the rows of FILE (as `varve export` makes it, or your own) and make its series; repeated within seven days, it counts once."""
    from varve.client_http import line_to
    from varve.importing import Said, import_all

    settings = read_settings(data)
    where = url or url_of(settings, named=data is not None)
    with line_to(where, tenant_of(tenant), own_key(settings, where)) as line:
        for done in import_all(line, source, Said(series, changed_by)):
            hidden = f"; {done.hidden:,} that deletions had hidden were passed over" if done.hidden else ""
            say(f"{done.path}: {done.rows:,} row(s), {done.series:,} series described{hidden}")
