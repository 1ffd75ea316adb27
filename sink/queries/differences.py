"""Which series two generations hold differently: rows and a checksum of all their columns a series, below one watermark vector. Pure.

Both databases are of one store. FINAL leaves one of rows that came twice, in bounded memory. What refresh makes of late data
(rollups, stale) differs by when it ran; every row of it is held to the flat read by I8, so it is not compared.
"""

from collections.abc import Mapping

from sink.queries.layers import visible
from sink.queries.query import Query

TABLES = dict.fromkeys(("points", "deletions", "series", "purges"), "series_id") | {"runs": "run_id", "entities": "entity_id"}
_BOTH = "\n  UNION ALL\n"


def columns_of(database: str) -> Query:
    """name and type of every column, by table."""
    sql = """SELECT c.table AS table, c.name AS name, c.type AS type
FROM system.columns AS c
WHERE c.database = {database:String}
ORDER BY c.table, c.position"""
    return Query(sql, {"database": database})


def differing(table: str, columns: Mapping[str, str], databases: tuple[str, str], watermark: tuple[int, ...], limit: int) -> Query:
    """tenant, id (of a series, run or document), first_rows, second_rows: those of which one database has other rows than the other.
    columns: type by name."""
    bound: dict[str, object] = {"limit": limit}
    ident = TABLES[table]
    hashed = ", ".join(_whole(name, kind) for name, kind in columns.items())
    sums = [
        f"""  SELECT t.tenant AS tenant, t.{ident} AS id, count() AS rows, sum(cityHash64({hashed})) AS checksum, {first} AS first
  FROM `{database}`.{table} AS t FINAL
  WHERE {visible("t", watermark, bound)}
  GROUP BY t.tenant, t.{ident}"""
        for first, database in zip((1, 0), databases, strict=True)
    ]
    sql = f"""SELECT s.tenant AS tenant, s.id AS id, sum(if(s.first, s.rows, 0)) AS first_rows, sum(if(s.first, 0, s.rows)) AS second_rows
FROM (
{_BOTH.join(sums)}
) AS s
GROUP BY s.tenant, s.id
HAVING first_rows != second_rows OR sum(if(s.first, s.checksum, 0)) != sum(if(s.first, 0, s.checksum))
ORDER BY tenant, id
LIMIT {{limit:UInt64}}"""
    return Query(sql, bound)


def counted(table: str, database: str) -> Query:
    """rows: of the table, those that came twice too; from the parts' own notes."""
    return Query(f"SELECT count() AS rows FROM `{database}`.{table}")


def _whole(name: str, kind: str) -> str:
    """Null and the value that stands for it are not the same."""
    column = f"t.`{name}`"
    return f"if(isNull({column}), (1, 0), (0, cityHash64(assumeNotNull({column}))))" if kind.startswith("Nullable(") else column
