"""Says where a workspace stands, without the work database, so that it answers while a batch runs.

Reads: the notes of landed files, decisions.sqlite, the manifests of the releases, the lock.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from golden_records.manifest import current_release, read_manifest, releases_of
from linkage.audit_trail import AuditTrail
from linkage.decisions import DecisionStore
from linkage.workspace import Workspace
from rules.model import Rules

Document = dict[str, Any]


def status(ws: Workspace, rules: Rules) -> Document:
    """The workspace as a document: landed files by source, decisions, what waits, releases, who holds it."""
    store = DecisionStore(ws.decisions)
    waiting = Counter({name: len(store.queue(name)) for name in rules.entities})
    return {
        "workspace": str(ws.root),
        "node": ws.node,
        "format": ws.format,
        "running": ws.running(),
        "sources": _sources(ws),
        "waiting": dict(waiting),
        "decisions": dict(Counter(decision.kind for decision in store.entries())),
        "current": current_release(ws.releases),
        "releases": _releases(ws),
        "audit_head": AuditTrail(ws.decisions).head(),
    }


def _sources(ws: Workspace) -> list[Document]:
    """One entry per source that delivered: how many files, the last day it speaks of."""
    notes = [json.loads(path.read_text("utf-8")) for path in sorted(ws.landed.glob("*/load.*.json"))]
    named = sorted({(note["entity"], note["source"]) for note in notes})
    found = []
    for entity, source in named:
        own = [note for note in notes if (note["entity"], note["source"]) == (entity, source)]
        found.append(
            {
                "entity": entity,
                "source": source,
                "files": len(own),
                "bytes": sum(note["bytes"] for note in own),
                "observed_on": max(note["observed_on"] for note in own),
            }
        )
    return found


def _releases(ws: Workspace) -> list[Document]:
    found = []
    for number in releases_of(ws.releases):
        manifest = read_manifest(ws.releases / str(number))
        found.append(
            {
                "release": number,
                "as_of": manifest.as_of.isoformat(),
                "published_at": manifest.published_at,
                "rollback_of": manifest.rollback_of,
                "rule_set": manifest.rule_set,
                "golden": {name: state.golden for name, state in manifest.entities.items()},
            }
        )
    return found
