"""Compares a grouping of source records with a known truth.

Reads: a truth file (source, source_key, truth; optionally error and true_<field> columns) and a relation
`placed` (source, source_key, grp). Writes: temporary tables only.

Pairwise precision and recall count pairs of records (n(n-1)/2 per group); B-cubed averages over records the
share of a record's group, and of its truth, that belongs with it (Bagga & Baldwin 1998). A truth row whose
record is not placed (withdrawn, quarantined, rejected) is counted as `unplaced` and takes no part.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import duckdb

from linkage.sql import execute, number, rows
from rules.errors import InputError

REQUIRED = ("source", "source_key", "truth")
TRUE = "true_"
Document = dict[str, Any]


@dataclass(frozen=True)
class Truth:
    """What a truth file holds: its rows, whether it names errors, the fields whose true values it gives."""

    rows: int
    errors: bool
    fields: tuple[str, ...]


def read_truth(con: duckdb.DuckDBPyConnection, path: Path) -> Truth:
    """Read a truth file (CSV, UTF-8, or Parquet) into temporary table `truth`, all columns as text.

    Raises:
        InputError: the file is missing, lacks a column, or names a record twice.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    reader = (
        "read_parquet($path)" if path.suffix == ".parquet" else "read_csv($path, all_varchar = true, header = true)"
    )
    try:
        execute(con, f"create or replace temp table truth as select * from {reader}", path=str(path))
    except duckdb.Error as error:
        raise InputError(
            f"{path.name}: cannot be read as a table ({str(error).splitlines()[0]}); "
            "expected CSV in UTF-8 with a heading, or Parquet"
        ) from None
    names = [str(row[0]) for row in con.execute("describe truth").fetchall()]
    for name in REQUIRED:
        if name not in names:
            near = get_close_matches(name, names, n=1, cutoff=0.4)
            hint = f"the nearest heading is {near[0]!r}" if near else f"the file has {', '.join(names)}"
            raise InputError(f"{path.name} line 1: column {name!r} is missing; {hint}")
    twice = rows(con, "select source, source_key from truth group by all having count(*) > 1 order by all limit 1")
    if twice:
        raise InputError(f"{path.name}: {'/'.join(str(part) for part in twice[0])} stands there more than once")
    fields = tuple(name.removeprefix(TRUE) for name in names if name.startswith(TRUE))
    return Truth(number(con, "select count(*) from truth"), "error" in names, fields)


def compare(con: duckdb.DuckDBPyConnection, truth: Truth) -> Document:
    """Precision, recall and F1 by pairs and B-cubed, in all and by kind of error."""
    error = "coalesce(t.error, '')" if truth.errors else "''"
    con.execute(
        "create or replace temp table judged as select row_number() over () as id, source, source_key, t.truth, p.grp, "
        f"string_split({error}, ';') as errors from truth as t join placed as p using (source, source_key)"
    )
    judged = number(con, "select count(*) from judged")
    return {
        "records": judged,
        "unplaced": truth.rows - judged,
        "pairwise": _pairwise(con, None),
        "bcubed": _bcubed(con),
        "wholly_right": _wholly_right(con),
        "by_error": {kind: _pairwise(con, kind) for kind in error_kinds(con)},
    }


def error_kinds(con: duckdb.DuckDBPyConnection) -> list[str]:
    """The kinds of error that the judged records have."""
    found = rows(con, "select distinct unnest(errors) as kind from judged order by 1")
    return [str(kind) for (kind,) in found if kind]


def _pairwise(con: duckdb.DuckDBPyConnection, error: str | None) -> Document:
    """Counts and shares of pairs; with `error` only pairs of which a record has that error."""
    hit = "count(*)" if error is None else "count(*) filter (list_contains(errors, $error))"
    counted = "sum(n * (n - 1) // 2 - (n - e) * (n - e - 1) // 2)"
    values = {} if error is None else {"error": error}

    def pairs(keys: str) -> int:
        return number(
            con, f"select {counted} from (select count(*) as n, {hit} as e from judged group by {keys})", **values
        )

    right, made, true = pairs("truth, grp"), pairs("grp"), pairs("truth")
    found: Document = {"true_pairs": true, "found_pairs": made, "right_pairs": right, **_shares(right, made, true)}
    if error is None:
        return found
    records = number(con, "select count(*) from judged where list_contains(errors, $error)", **values)
    return {"records": records, **found}


def _shares(right: float, made: float, true: float) -> Document:
    precision, recall = right / made if made else 1.0, right / true if true else 1.0
    both = precision + recall
    return {"precision": precision, "recall": recall, "f1": 2 * precision * recall / both if both else 0.0}


def _wholly_right(con: duckdb.DuckDBPyConnection) -> Document:
    """The groups that hold all records of one entity and no others."""
    groups, right = rows(
        con,
        """
        select count(*), count(*) filter (truths = 1 and n = truly) from (
          select count(distinct truth) as truths, count(*) as n, min(truly) as truly from (
            select truth, grp, count(*) over (partition by truth) as truly from judged) group by grp)""",
    )[0]
    n, ok = int(str(groups)), int(str(right))
    return {"groups": n, "right": ok, "share": ok / n if n else 1.0}


def _bcubed(con: duckdb.DuckDBPyConnection) -> Document:
    found = rows(
        con,
        """
        select avg(shared / grouped), avg(shared / truly) from (
          select count(*) over (partition by truth, grp) as shared, count(*) over (partition by grp) as grouped,
                 count(*) over (partition by truth) as truly from judged)""",
    )
    precision, recall = (float(str(part)) if part is not None else 1.0 for part in found[0])
    both = precision + recall
    return {"precision": precision, "recall": recall, "f1": 2 * precision * recall / both if both else 0.0}
