"""Decisions as a CSV file, from one workspace to another: one row per decision in force, oldest first.

    kind, entity, subjects, payload, steward, reason, evidence, decided_at, second

subjects is a JSON list of [source, source_key], payload a JSON object, second who confirmed it. A file is taken in as
a whole: where a row cannot be, every wrong cell is told with line and column, and nothing is.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from linkage.decided import SourceRecord
from linkage.decisions import ASIDE, Decision, DecisionStore, wrong
from rules.errors import InputError
from rules.model import Rules

COLUMNS = (
    *("decision_id", "kind", "entity", "subjects", "payload"),
    *("steward", "reason", "evidence", "decided_at", "second"),
)
_REQUIRED = ("kind", "entity", "subjects", "reason")
_SHOWN = 20
Needs = Callable[[Decision], str | None]
Row = dict[str | None, str]


def export_csv(store: DecisionStore, path: Path, entity: str | None = None) -> int:
    """Write the decisions in force to `path`, readable by its owner only; gives how many."""
    found = [d for d in store.entries(entity) if d.kind != "unmask"]
    path.touch(mode=0o600)
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for d in found:
            subjects, payload = (json.dumps(said, ensure_ascii=False) for said in (d.subjects, dict(d.payload)))
            told = (d.decision_id, d.kind, d.entity, subjects, payload)
            writer.writerow([*told, d.steward, d.reason, d.evidence or "", d.decided_at, d.second or ""])
    return len(found)


def import_csv(store: DecisionStore, path: Path, rules: Rules | None = None, needs: Needs = lambda _: None) -> int:
    """Append the decisions of `path` that are not there yet; all or, where a cell is wrong, none. Gives how many.

    `rules` say which entity types and fields there are; `needs` why a decision needs a second person: one that the
    file does not say to be confirmed is then proposed only.

    Raises:
        InputError: the file cannot be read, or cells are wrong: file, line and column of each.
    """
    problems: list[str] = []
    read = list(_read(path, rules, problems))
    if problems:
        more = f"\n… and {len(problems) - _SHOWN:,} more" if len(problems) > _SHOWN else ""
        raise InputError("\n".join(problems[:_SHOWN]) + f"{more}\nnothing was imported")
    held = {_known(d) for d in store.listed()}
    new = [d for d in read if _known(d) not in held]
    store.add_all([_second(d, needs) for d in new])
    return len(new)


def _known(decision: Decision) -> str:
    """What makes two decisions one and the same, whoever made them when."""
    said = [decision.kind, decision.entity, decision.subjects, dict(decision.payload)]
    return json.dumps(said, ensure_ascii=False, sort_keys=True)


def _second(decision: Decision, needs: Needs) -> Decision:
    """The decision with why it needs a second person; who confirmed it elsewhere did so here as well."""
    why = needs(decision) or ("confirmed where it was made" if decision.second else None)
    return replace(decision, needs=why)


def _read(path: Path, rules: Rules | None, problems: list[str]) -> Iterator[Decision]:
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            missing = sorted(set(_REQUIRED) - set(reader.fieldnames or ()))
            if missing:
                raise InputError(f"{path.name} line 1: column {missing[0]!r} is missing; see 'decide export'")
            for row in reader:
                decision, faults = _decision(row, rules)
                problems += [f"{path.name} line {reader.line_num} column {column}: {said}" for column, said in faults]
                if decision is not None and not faults:
                    yield decision
    except UnicodeDecodeError:
        raise InputError(f"{path.name}: holds bytes that are not UTF-8; nothing was imported") from None
    except csv.Error as error:
        raise InputError(f"{path.name} line {reader.line_num + 1}: {error}; nothing was imported") from None


def _decision(row: Row, rules: Rules | None) -> tuple[Decision | None, list[tuple[str, str]]]:
    """What a row says, and what is wrong with it by column."""
    if None in row or None in row.values():
        return None, [("1", f"expected the {len(COLUMNS)} or fewer cells of the heading")]
    faults: list[tuple[str, str]] = []
    subjects, payload = _subjects(row["subjects"], faults), _payload(row.get("payload") or "{}", faults)
    decision = Decision(
        row["kind"],
        row["entity"],
        subjects,
        row["reason"],
        row.get("steward") or "",
        tuple(sorted(payload.items())),
        row.get("evidence") or None,
        decided_at=row.get("decided_at") or "",
        second=row.get("second") or None,
    )
    if not faults:
        faults += wrong(decision)
    faults += _strange(decision, rules)
    return decision, faults


def _strange(decision: Decision, rules: Rules | None) -> Iterator[tuple[str, str]]:
    """What the rules do not know, a time that is none, one person in the place of two."""
    if rules is not None and decision.entity not in rules.entities:
        yield "entity", f"no entity type {decision.entity!r}; the rules have {', '.join(rules.entities)}"
    elif rules is not None:
        known, field = rules.entities[decision.entity], dict(decision.payload).get("field")
        for source, _ in decision.subjects:
            if source not in known.sources.sources:
                yield "subjects", f"{source!r} is no source of {decision.entity}"
        if decision.kind not in ASIDE and field is not None and field not in known.entity.fields:
            yield "payload", f"{decision.entity} has no field {field!r}"
    if decision.kind == "unmask":
        yield "kind", "leave to see clear text is given where it is used, never imported"
    if decision.decided_at:
        try:
            datetime.fromisoformat(decision.decided_at)
        except ValueError:
            yield "decided_at", f"{decision.decided_at!r} is no time; write 2026-01-31T09:30:00+00:00"
    if decision.second and decision.second == decision.steward:
        yield "second", "is the steward of the decision; a second person is another one"


def _subjects(text: str, faults: list[tuple[str, str]]) -> tuple[SourceRecord, ...]:
    try:
        said = json.loads(text)
        return tuple((_word(source), _word(key)) for source, key in said)
    except (ValueError, TypeError):
        faults.append(("subjects", f"expected a JSON list of [source, key], found {text[:40]!r}"))
        return ()


def _word(said: object) -> str:
    if not isinstance(said, str) or not said:
        raise ValueError(said)
    return said


def _payload(text: str, faults: list[tuple[str, str]]) -> dict[str, object]:
    try:
        said = json.loads(text)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        faults.append(("payload", f"expected a JSON object, found {text[:40]!r}"))
        return {}
    return said
