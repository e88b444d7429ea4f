"""Takes delivered files to a release under the shipped rules, without the command line."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path

from golden_records.plan import Plan, plan
from golden_records.query import Release
from golden_records.release import publish
from linkage import ingest
from linkage.decisions import Decision, DecisionStore
from linkage.link import LinkReport, link
from linkage.workspace import Workspace
from rules.model import Rules

DAY = date(2026, 1, 31)


def record(text: str) -> tuple[str, str]:
    """A source record written SOURCE/KEY."""
    source, _, key = text.partition("/")
    return source, key


def take(
    ws: Workspace, files: Iterable[Path], day: date = DAY, same: Iterable[tuple[str, list[str]]] = ()
) -> tuple[list[LinkReport], Plan]:
    """Load files, keep a steward's `same` decisions (entity type, two records), and publish the next release."""
    rules, decisions = ws.load_rules(), DecisionStore(ws.decisions)
    for entity, pair in same:
        decisions.add(Decision("same", entity, tuple(record(one) for one in pair), "seen", "eve"))
    con = ws.connect()
    try:
        for path in sorted(files):
            entity, source = ingest.match_source(rules, path)
            ingest.load_file(con, ws, rules.entities[entity], source, path)
        linked = link(con, ws, rules, decisions, day)
        planned = plan(con, ws, rules, decisions)
        publish(con, ws, rules, decisions, planned)
    finally:
        con.close()
    return linked, planned


def golden(release: Release, entity: str, who: str) -> str:
    """The golden id that holds a record written SOURCE/KEY."""
    (found,) = release.find(entity, *record(who))
    return str(found["golden_id"])


def opened(ws: Workspace) -> tuple[Release, Rules]:
    """The current release, to be closed by the caller, and the rules of the workspace."""
    return Release.of(ws.releases), ws.load_rules()
