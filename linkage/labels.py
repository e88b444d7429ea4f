"""Labels of pairs from outside: whether two source records are one entity, as somebody else says.

Reads: a file of labels and a relation `placed` (source, source_key, grp). Writes: temporary tables only.

Labels of clusters are a truth file (evaluate.py). Labels of pairs judge only the pairs that were labelled: which pairs
those are decides what the shares mean, so that no F1 of the whole follows from them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

from linkage.inference import clopper_pearson
from linkage.sql import execute, rows
from rules.errors import InputError

HEADINGS = ("left_source", "left_key", "right_source", "right_key", "label")
SAME, DIFFERENT = ("same", "1", "true", "match"), ("different", "0", "false", "no_match")
Document = dict[str, Any]


def judge(con: duckdb.DuckDBPyConnection, path: Path) -> Document:
    """How the grouping in `placed` agrees with a file of labels (CSV, UTF-8), with exact intervals.

    Raises:
        InputError: the file is missing, lacks a column, or has a label that is none.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    execute(
        con,
        "create or replace temp table label as "
        "select row_number() over () + 1 as line, * from read_csv($path, all_varchar = true, header = true)",
        path=str(path),
    )
    names = [str(row[0]) for row in con.execute("describe label").fetchall()]
    missing = [name for name in HEADINGS if name not in names]
    if missing:
        raise InputError(f"{path.name} line 1: column {missing[0]!r} is missing; expected {', '.join(HEADINGS)}")
    wrong = rows(
        con,
        "select line, label from label where not coalesce(list_contains($known, lower(label)), false) order by 1",
        known=[*SAME, *DIFFERENT],
    )
    if wrong:
        raise InputError(f"{path.name} line {wrong[0][0]}: {wrong[0][1]!r} is no label; write same or different")
    counted = rows(
        con,
        """
        select count(*), count(*) filter (a.grp is null or b.grp is null),
               count(*) filter (same and together), count(*) filter (same and not together),
               count(*) filter (not same and together), count(*) filter (not same and not together)
        from (select *, list_contains($same, lower(label)) as same from label)
        left join placed as a on a.source = left_source and a.source_key = left_key
        left join placed as b on b.source = right_source and b.source_key = right_key,
        lateral (select a.grp = b.grp as together)""",
        same=list(SAME),
    )[0]
    labels, unplaced, right, missed, false, apart = (int(str(n)) for n in counted)
    return {
        "labels": labels,
        "unplaced": unplaced,
        "same_together": right,
        "same_apart": missed,
        "different_together": false,
        "different_apart": apart,
        "precision": _share(right, right + false),
        "recall": _share(right, right + missed),
    }


def _share(hits: int, n: int) -> Document | None:
    """A share with its exact 95 % interval; None where nothing was labelled."""
    if not n:
        return None
    low, high = clopper_pearson(hits, n)
    return {"value": hits / n, "low": low, "high": high}
