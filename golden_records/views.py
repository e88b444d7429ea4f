"""The tables of a release as views `<entity>_<table>`, for SQL of the rules that asks across entity types.

An entity type without a release, a table or a column that an older release lacks is there, and empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import duckdb

from golden_records.segments import has_table, table_sql
from rules.asking import TABLES
from rules.columns import quote
from rules.model import Rules

COLUMNS: Mapping[str, Mapping[str, str]] = {
    "golden": {
        "golden_id": "varchar",
        "lifecycle": "varchar",
        "since_release": "integer",
        "valid_from": "date",
        "last_seen": "date",
        "valid_to": "date",
        "records": "integer",
        "weakest_match": "double",
    },
    "provenance": {
        "golden_id": "varchar",
        "field": "varchar",
        "value": "varchar",
        "valid_from": "date",
        "last_seen": "date",
        "valid_to": "date",
        "source": "varchar",
        "source_key": "varchar",
        "rule": "varchar",
        "agree": "varchar[]",
        "differ": "varchar[]",
        "state": "varchar",
    },
    "relation": {
        "from_id": "varchar",
        "type": "varchar",
        "to_id": "varchar",
        "to_name": "varchar",
        "since": "date",
        "until": "date",
        "source": "varchar",
        "source_key": "varchar",
    },
    "crosswalk": {
        "source": "varchar",
        "source_key": "varchar",
        "golden_id": "varchar",
        "since": "date",
        "until": "date",
        "since_release": "integer",
        "observed_on": "date",
    },
    "state": {
        "golden_id": "varchar",
        "state": "varchar",
        "since": "date",
        "until": "date",
        "event": "varchar",
        "source": "varchar",
        "source_key": "varchar",
    },
}


def open_views(con: duckdb.DuckDBPyConnection, rules: Rules, folder: Path | None = None) -> None:
    """Make the views of every entity type of the rules over the release in `folder`, or empty ones."""
    for name, one in rules.entities.items():
        for table in TABLES:
            columns = dict(COLUMNS[table])
            if table == "golden":
                columns |= {field: "varchar" for field, rule in one.entity.fields.items() if rule.golden}
            shape = ", ".join(f"null::{kind} as {quote(column)}" for column, kind in columns.items())
            sql = f"select {shape} where false"
            if folder is not None and has_table(folder / name, table):
                sql += f" union all by name select * from {table_sql(folder / name, table)}"
            con.execute(f"create or replace temp view {quote(f'{name}_{table}')} as {sql}")
