"""A small entity type without a shipped folder, and literal records of it, for the tests of linkage."""

from __future__ import annotations

import json
import random
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from demo.population import generate
from linkage.decisions import DecisionStore
from linkage.ingest import load_file
from linkage.link import link
from linkage.workspace import Workspace, use_entity
from rules.columns import quote
from rules.model import Entity, EntityRules, Sources

TITLE = {"zh": "船", "en": "vessel"}
LATIN = {"kind": "text", "title": TITLE, "options": {"script": "latin"}}
VESSEL: dict[str, Any] = {
    "entity": "vessel",
    "prefix": "V",
    "title": TITLE,
    "fields": {
        "name": LATIN,
        "owner": LATIN,
        "radio": {"kind": "phone", "title": TITLE},
        "mark": {"kind": "text", "title": TITLE},
        "old_mark": {"kind": "text", "title": TITLE, "alias_of": "registered"},
        "port": {"kind": "text", "title": TITLE},
    },
    "derive": {"initial": "substr(name__ascii, 1, 1)", "registered": "mark__key"},
    "checks": [
        {"rule": "nameless", "when": "name__key is null and mark__key is null", "severity": "error", "title": TITLE},
        {"rule": "short_mark", "when": "length(mark__key) < 3", "field": "mark", "title": TITLE},
    ],
    "exclusive": [{"slot": "mark", "column": "registered"}],
    "blocking": [
        {"keys": ["mark__key"]},
        {"keys": ["radio__key"], "cap": 8},
        {"keys": ["owner__key", "initial"]},
        {"keys": ["name__key", "port__key"]},
    ],
    "comparisons": [
        {"name": "name", "field": "name"},
        {"name": "owner", "field": "owner"},
        {"name": "radio", "field": "radio"},
        {"name": "port", "field": "port"},
    ],
    "guards": [
        {"label": "other owner", "when": "gamma_owner = 0 and radio__key_l = radio__key_r", "effect": "review"},
        {"label": "other port", "when": "gamma_port = 0 and gamma_owner = 0", "effect": "reject"},
    ],
    "matching": {"accept": 4.0, "review": 0.0, "pairs_per_record": 0.5, "budget": 60},
    "training": {"seed": 7, "u_pairs": 200000, "em": [["radio__key"], ["name__key", "owner__key"]]},
}


def vessel(folder: Path, **changes: Any) -> EntityRules:
    """The rules of the entity type, with some keys of `entity.toml` changed, living in `folder`."""
    path = folder / "vessel"
    path.mkdir(parents=True, exist_ok=True)
    weights = path / "weights.json"
    return EntityRules(
        folder=path,
        entity=Entity.model_validate({**VESSEL, **changes}),
        sources=Sources(sources={}),
        weights=json.loads(weights.read_text()) if weights.exists() else None,
    )


def database(rules: EntityRules, records: list[dict[str, Any]]) -> duckdb.DuckDBPyConnection:
    """A database in memory whose `current_record` holds literal records (field -> text)."""
    con = duckdb.connect()
    use_entity(con, rules.name)
    fields = ", ".join(f"{quote(name)} varchar" for name in rules.entity.fields)
    con.execute(
        "create table record (record_id bigint, source varchar, source_key varchar, batch_id integer, "
        f"observed_on date, row_hash varchar, line bigint, {fields}, dup_group varchar)"
    )
    con.execute("create table grouped_record as from record where false")
    con.execute("create view current_record as from record")
    given = [
        {name: record.get(name) for name in rules.entity.fields}
        | {"record_id": i, "source": record.get("source", "a"), "source_key": str(record.get("key", f"{i:05}"))}
        | {"batch_id": 1, "observed_on": "2024-01-01", "row_hash": f"{i:032}", "line": i}
        | {"dup_group": record.get("dup_group")}
        for i, record in enumerate(records)
    ]
    if given:
        columns = {name: pa.array([one[name] for one in given]) for name in given[0]}
        con.register("given", pa.table(columns))
        con.execute("insert into record by name from given")
        con.unregister("given")
    return con


def population(vessels: int, seed: int) -> list[dict[str, Any]]:
    """Seeded records of vessels, one to three each, with typing errors; `truth` says which vessel it is."""
    rng = random.Random(seed)
    names = [a + b for a in ("astra", "borea", "clio", "delos", "ember", "fjord") for b in ("", " ii", "nova", "star")]
    owners = [a + b for a in ("meyer", "tanaka", "lopez", "rossi", "novak", "silva") for b in ("", "son", " sa", "ov")]
    records = []
    for truth in range(vessels):
        name, owner, port = rng.choice(names), rng.choice(owners), f"port {rng.randrange(90)}"
        radio = f"13{rng.randrange(10**9):09}"
        for source in range(rng.choice((1, 2, 2, 3))):
            records.append(
                {
                    "key": f"{truth:05}",
                    "source": "abc"[source],
                    "name": name if rng.random() < 0.9 else name[:-1] + "x",
                    "owner": owner.title() if rng.random() < 0.95 else owner + "e",
                    "radio": radio if rng.random() < 0.8 else None,
                    "port": port if rng.random() < 0.9 else f"port {rng.randrange(40)}",
                    "truth": truth,
                }
            )
    return records


def province(folder: Path, size: int, day: date, *only: str) -> Workspace:
    """A workspace in which a made-up province of about `size` person records is loaded and linked as of a day.

    `only` names the entity types that are; by default all.
    """
    ws = Workspace.create(folder)
    rules = ws.load_rules()
    con = ws.connect()
    for entity, source, path in generate(ws.root / "demo", size, 5).files:
        if not only or entity in only:
            load_file(con, ws, rules.entities[entity], source, path)
    link(con, ws, rules, DecisionStore(ws.decisions), day, only=only)
    con.close()
    return ws
