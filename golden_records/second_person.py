"""Which decisions one person must not make alone.

Reads: the current release, decisions. Writes nothing.

    merge of two confirmed golden records   same, merge, pin that bring two of them together
    override of an identifier               value of a field with `identifier = true`
    clear text                              unmask, always

A golden record is confirmed where an identifier value of it is `confirmed` (its lead source and enough independent ones
say it; any value, in an entity type without identifiers), or where a steward pinned it.
"""

from __future__ import annotations

from collections.abc import Collection

from golden_records.query import Release
from linkage.decisions import Decision, DecisionStore
from linkage.workspace import Workspace
from rules.errors import NotFoundError
from rules.model import EntityRules

JOINING = ("same", "merge", "pin")


def needs_second(ws: Workspace, one: EntityRules, decision: Decision) -> str | None:
    """Why a second, different person must confirm a decision; None where one person is enough."""
    if decision.kind == "unmask":
        return "clear text is shown to whom two people agreed to show it"
    if decision.kind == "value":
        field = str(dict(decision.payload)["field"])
        known = one.entity.fields.get(field)
        return f"{field} identifies: no one person overrides it" if known and known.identifier else None
    if decision.kind in JOINING:
        confirmed = _confirmed(ws, one, decision)
        if len(confirmed) > 1:
            return f"a merge of {len(confirmed)} confirmed golden records: {', '.join(sorted(confirmed))}"
    return None


def _confirmed(ws: Workspace, one: EntityRules, decision: Decision) -> Collection[str]:
    """The confirmed ones of the golden records that hold the subjects."""
    try:
        with Release.of(ws.releases) as published:
            held = {
                subject: {str(found["golden_id"]) for found in published.find(one.name, *subject)}
                for subject in decision.subjects
            }
            ids = set().union(*held.values())
            if len(ids) < 2:
                return ids
            golden = [name for name, rule in one.entity.fields.items() if rule.golden]
            named = [name for name in golden if one.entity.fields[name].identifier] or golden
            confirmed = published.confirmed(one.name, ids, named)
    except NotFoundError:
        return ()
    pinned = DecisionStore(ws.decisions).pinned(one.name)
    return confirmed.union(*(found for subject, found in held.items() if subject in pinned))
