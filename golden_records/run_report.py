"""What one run made, from the release that it published: an auditor needs neither the work database nor its sources.

Everything is read from the release: its manifest, crosswalk, census, quality and levels.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import duckdb

from golden_records import census
from golden_records.query import Release
from golden_records.scorecard import scorecard
from golden_records.segments import has_table, table_sql
from linkage.sql import rows
from rules.errors import NotFoundError
from rules.model import Rules

Document = dict[str, Any]
# What the manifest says of the release as a whole.
FACTS = {
    *("release", "previous", "rollback_of", "published_at", "as_of", "software"),
    *("rules", "rule_set", "inputs", "forced", "decided", "first_seq", "next_seq"),
}


def run_report(release: Release, rules: Rules) -> Document:
    """One document of a release: what went in, what came out, how it was matched and how good it is.

    `entities` holds by entity type: records and golden records, events, `sizes` (members -> golden records), `sources`
    (files and rows delivered, records that are members now), `shared` (golden records that two sources both hold),
    `levels` (accepted pairs by comparison and level), its part of the census, and its measures of quality.
    """
    manifest = release.manifest
    counted = census.report(release, rules)["entities"]
    try:
        cards = scorecard(release, rules)
    except NotFoundError:  # a release of a version that did not count quality yet
        cards = {"entities": {}, "measures": {}, "indicators": {}}
    entities = {}
    with duckdb.connect() as con:
        for name, state in manifest.entities.items():
            entities[name] = {
                "title": counted.get(name, {}).get("title"),
                "records": state.records,
                "golden": state.golden,
                "events": state.events,
                **_members(con, release, name, cards["entities"].get(name, {}).get("sources", {})),
                "levels": _levels(con, release, name),
                "census": counted.get(name),
                "measures": cards["entities"].get(name, {}).get("measures", []),
            }
    return {
        **manifest.model_dump(mode="json", include=FACTS),
        "files": len(manifest.files),
        "bytes": sum(one.bytes for one in manifest.files),
        "measures": cards["measures"],
        "indicators": cards["indicators"],
        "entities": entities,
    }


def _members(con: duckdb.DuckDBPyConnection, release: Release, name: str, titles: Document) -> Document:
    """Sizes of golden records, sources, and what two sources share."""
    con.execute(
        "create or replace temp table member as select golden_id, source from "
        f"{table_sql(release.folder / name, 'crosswalk')} where until is null"
    )
    sizes = rows(
        con,
        "select members, count(*) from (select count(*) as members from member group by golden_id) "
        "group by 1 order by 1",
    )
    shared = rows(
        con,
        "with held as (select distinct golden_id, source from member) "
        "select a.source, b.source, count(*) from held as a join held as b using (golden_id) "
        "where a.source < b.source group by all order by 3 desc, 1, 2",
    )
    now = {str(source): int(str(n)) for source, n in rows(con, "select source, count(*) from member group by 1")}
    files: Counter[str] = Counter()
    delivered: Counter[str] = Counter()
    for one in release.manifest.landed:
        if one.entity == name:
            files[one.source] += 1
            delivered[one.source] += one.rows
    return {
        "sizes": {int(str(members)): int(str(n)) for members, n in sizes},
        "sources": {
            source: {
                "title": titles.get(source),
                "files": files[source],
                "rows": delivered[source],
                "members": now.get(source, 0),
            }
            for source in sorted({*files, *now})
        },
        "shared": [{"sources": [str(a), str(b)], "golden": int(str(n))} for a, b, n in shared],
    }


def _levels(con: duckdb.DuckDBPyConnection, release: Release, name: str) -> list[Document]:
    """How often each level stands among the accepted pairs."""
    folder = release.folder / name
    if not has_table(folder, "level"):
        return []
    found = rows(
        con,
        "select comparison, level, sum(pairs)::bigint from "
        f"{table_sql(folder, 'level')} where verdict = 'accept' group by all order by 1, 3 desc, 2",
    )
    return [{"comparison": str(a), "level": str(b), "pairs": int(str(n))} for a, b, n in found]
