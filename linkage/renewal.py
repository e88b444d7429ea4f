"""Changes `standard` where records came, went or say something else, where each says what it says by itself.

Reads: batch, observation, record, reject, value_<field>, standard. Writes: standard, past, quarantine, finding.

What counts of a source key is a function of its own versions and of the days on which its source delivered. So only
those keys are looked at that a new delivery speaks of; for a source that delivers snapshots these are all of its keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from linkage.sql import number, run, transaction
from linkage.standardize import (
    PAST_ARRIVAL,
    VERSION,
    check_findings_sql,
    find_values,
    first_checks,
    last_checks,
    past_sql,
    reads_one_record,
    retell,
    retell_past,
    silent_columns,
    silent_fields,
    staged_sql,
    versions_of,
    was_sql,
)
from linkage.values import NTH
from rules.columns import quote
from rules.kinds.base import literal
from rules.model import CheckRule, EntityRules


def renew(con: duckdb.DuckDBPyConnection, rules: EntityRules, since: int) -> bool:
    """Bring `standard` and the findings of records up to what was loaded after batch `since`.

    Every `value_<field>` is up to the records, and none was made anew for it. Leaves what `standardize` leaves, with
    what it tells of changes. False, and nothing done, where the rules let one record speak of another, or where one
    speaks of a field for which `standard` has no room.
    """
    silent = silent_fields(con, rules)
    without = {str(name) for (name,) in con.execute(WITHOUT).fetchall()}
    if not _record_by_record(rules) or not without <= silent_columns(rules.entity, silent):
        return False
    kept = "*" + (f" exclude ({', '.join(map(quote, sorted(without)))})" if without else "")
    with _versions(con, rules, since):
        con.execute(was_sql(rules.entity))
        run(con, "place")
        con.execute(_COMING)
        con.execute(f"create or replace temp table staged as {staged_sql(rules, 'coming', silent=silent, few=True)}")
        con.execute(f"create or replace temp table check_finding as {check_findings_sql(first_checks(rules.entity))}")
        find_values(con, rules)
        con.execute(f"create or replace temp table past_version as {past_sql(rules, silent)}")
    con.execute("delete from staged where record_id in (select record_id from check_finding where severity = 'error')")
    with transaction(con):
        con.execute("delete from standard where record_id in (from gone)")
        con.execute(f"insert into standard by name select {kept} from staged")
        con.execute("drop table staged")
        left = "record_id in (from came) or record_id in (from left_behind)"
        con.execute(f"delete from finding where {left}")
        con.execute(f"delete from quarantine where {left}")
        run(con, "checked")
        con.execute("delete from came where record_id not in (select record_id from standard)")
        con.execute("create or replace temp table newcomer as select * from standard semi join came using (record_id)")
        if number(con, _MOVED):
            run(con, "renumber")
        _change_past(con, rules)
        for check in last_checks(rules.entity):
            _check_together(con, check)
    return True


@contextmanager
def _versions(con: duckdb.DuckDBPyConnection, rules: EntityRules, since: int) -> Iterator[None]:
    """Work where only those versions are seen that may count in another way than before batch `since` was followed.

    There are `came`, `gone` and `left_behind` (record_id) from here on: the last are versions that do not count.
    """
    moved = [str(field) for (field,) in con.execute("select distinct field from moved_value order by 1").fetchall()]
    turned = " or ".join(
        f"{quote(f'{field}__{NTH}')} in (select {NTH} from moved_value where field = {literal(field)})"
        for field in moved
    )
    con.execute(f"create or replace temp table affected as {_AFFECTED.format(since=since)}")
    if moved:
        con.execute("insert into affected select source, source_key from record semi join quarantine using (record_id)")
        for table in ("standard", "past"):
            con.execute(f"insert into affected select source, source_key from {table} where {turned}")
    with versions_of(con, rules.name, "affected"):
        run(con, "arrival")
        con.execute(f"create or replace temp table past_arrival as {PAST_ARRIVAL}")
        con.execute(_CAME_AND_GONE)
        if moved:
            con.execute(f"insert into gone select record_id from standard where {turned}")
            con.execute("insert into came select record_id from gone semi join arrival using (record_id)")
        gone_by = "select record_id from record anti join arrival using (record_id)"
        con.execute(f"create or replace temp table left_behind as {gone_by}")
        yield


def _change_past(con: duckdb.DuckDBPyConnection, rules: EntityRules) -> None:
    """Put the past of the affected keys in its place, and name in `retold` those of which it changed."""
    con.execute("create or replace temp table past_before as from past semi join affected using (source, source_key)")
    con.execute("create or replace temp table retold (source varchar, source_key varchar)")
    retell_past(con, rules.entity, "past_before", "past_version")
    con.execute("delete from past where (source, source_key) in (from affected)")
    con.execute("insert into past by name from past_version")
    run(con, "renumber_past")


def _check_together(con: duckdb.DuckDBPyConnection, check: CheckRule) -> None:
    """Renew the findings of a check that looks at other records; one that says among which looks at few."""
    changed = f"(select {check.among} from newcomer union select {check.among} from was)"
    peers = f" where {check.among} in {changed}" if check.among else ""
    con.execute(f"create or replace temp view staged as select * from standard{peers}")
    found = f"rule = {literal(check.rule)} and record_id in (select record_id from staged)"
    con.execute(f"create or replace temp table told_before as from finding where {found}")
    con.execute(f"delete from finding where {found}")
    con.execute(
        "insert into finding select record_id, null, null, field, rule, severity, null "
        f"from ({check_findings_sql([check])})"
    )
    retell(con, found)
    con.execute("drop view staged")


def _record_by_record(rules: EntityRules) -> bool:
    """Whether a record of `standard` is a function of its own version alone."""
    entity = rules.entity
    return (
        all(reads_one_record(sql) for sql in entity.derive.values())
        and all(reads_one_record(check.when) for check in entity.checks if check.severity == "error")
        and not any(source.grouped for source in rules.sources.sources.values())
    )


# The columns of `standard` that are null whatever records say.
WITHOUT = """
select column_name from information_schema.columns
where table_schema = current_schema() and table_name = 'standard' and is_generated = 'ALWAYS'"""

# The keys of which a batch after `since` speaks: of a source that delivers snapshots all, for it may lack them now.
_AFFECTED = """
select distinct source, source_key from observation where batch_id > {since}
union
select distinct source, source_key from observation
where source in (select source from batch where batch_id > {since} and delivery = 'snapshot')"""

_CAME_AND_GONE = """
create or replace temp table came as select record_id from arrival anti join standard using (record_id);
create or replace temp table gone as
select record_id from standard semi join record using (record_id) anti join arrival using (record_id)"""

_COMING = f"""
create or replace temp table coming as
select p.place::bigint as ordinal, r.*, c.* exclude (record_id)
from placed as p join (select {VERSION} from record) as r using (record_id) join coded as c using (record_id)"""

# How many records stand at a new place, or left theirs.
_MOVED = """
select (select count(*) from placed semi join newcomer using (record_id) where place <> floor(place))
     + (select count(*) from was) - (select count(*) from newcomer semi join was using (source, source_key))"""
