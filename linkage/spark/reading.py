"""Reads the texts of a field on Spark: each distinct text once, by the SQL of its kind.

Reads: record, grouped_record. Writes (Parquet): raw, read; (work database): value_<field>.

What a text means depends on nothing but the text, the day and the reference tables, so that it is the same wherever it
is read. Where there are few texts, they are read where they are.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from linkage.spark.shelf import Shelf
from linkage.spark.tasks import Parsing
from linkage.spark.types import described, schema
from linkage.sql import number
from linkage.values import NTH, signature, texts_sql
from rules.columns import quote

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

FEW = 50_000  # texts that one machine reads in the time in which Spark starts to


def read(con: duckdb.DuckDBPyConnection, spark: SparkSession, folder: Path, parsing: Parsing, few: int = FEW) -> None:
    """Make `value_<field>` anew in the current schema."""
    table = quote("value_" + parsing.field)
    con.execute(f"create or replace temp table said as {texts_sql(parsing.said)}")
    if number(con, "select count(*) from said") <= few:
        source, columns = f"({parsing.sql('from said')})", "*"
    else:
        types = described(con, parsing.sql("from said"))
        shelf = Shelf(spark, folder / parsing.field, _inputs(con, parsing))
        raw = shelf.handed("raw", con, "from said")
        shelf.make("read", lambda: raw.mapInArrow(parsing, schema(types)))
        source = shelf.files("read")
        columns = ", ".join(f"{quote(name)}::{one} as {quote(name)}" for name, one in types.items())
    con.execute(
        f"create or replace table {table} as select {columns}, row_number() over ()::integer as {NTH} from {source}"
    )
    con.execute("drop table said")


def _inputs(con: duckdb.DuckDBPyConnection, parsing: Parsing) -> str:
    """A hash of all that the readings depend on: the texts, the day, the SQL and the reference tables."""
    texts = number(con, "select (sum(hash(raw)::hugeint) % 9223372036854775783)::bigint from said")
    return f"{signature(parsing.entity, parsing.field, parsing.said, parsing.rules_folder)} {parsing.as_of} {texts}"
