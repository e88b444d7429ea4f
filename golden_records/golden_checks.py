"""Checks that need to know who is one entity: one number on two golden records, two numbers on one.

Reads: the tables of the plan. Writes: finding.

Each check is a SELECT of the rules; the records it gives have its finding, with the file and line that they came from.
No severity quarantines here: what is linked is linked, and a steward decides.
"""

from __future__ import annotations

import duckdb

from rules.errors import Problem, RulesError
from rules.model import EntityRules


def check_golden(con: duckdb.DuckDBPyConnection, rules: EntityRules) -> dict[str, int]:
    """Write the findings of every check over golden records anew; gives how many records each of them names.

    Raises:
        RulesError: a check names a column that is not there.
    """
    found: dict[str, int] = {}
    for i, check in enumerate(rules.entity.golden_checks):
        con.execute("delete from finding where rule = $rule", {"rule": check.rule})
        sql = check.sql.strip().rstrip(";")
        try:
            columns = {str(row[0]) for row in con.execute(f"describe {sql}").fetchall()}
        except (duckdb.BinderException, duckdb.CatalogException) as error:
            told = str(error).splitlines()[0]
            raise RulesError([Problem(f"{rules.name}/entity.toml", f"golden_checks.{i}.sql", told)]) from error
        detail = "string_agg(distinct detail, ' ' order by detail)" if "detail" in columns else "null"
        con.execute(
            f"insert into finding select record_id, null, null, null, $rule, $severity, {detail} "
            f"from ({sql}) where record_id is not null group by record_id",
            {"rule": check.rule, "severity": check.severity},
        )
        counted = con.execute("select count(*) from finding where rule = $rule", {"rule": check.rule}).fetchall()
        found[check.rule] = int(counted[0][0])
    return found
