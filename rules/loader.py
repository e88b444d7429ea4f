"""Reads a rules folder once and trusts it afterwards; what is wrong is said all at once.

<rules>/<entity>/entity.toml    required; the folder bears the entity's name
<rules>/<entity>/sources.toml   source systems and the dated authority matrix
<rules>/<entity>/cases.toml     pairs that must or must not match
<rules>/<entity>/weights.json   trained m and u, Splink's own JSON
<rules>/forms/<form>.toml       what a form asks, to be answered from golden records
<rules>/watch/<name>.sql        clues to look for in a release
<rules>/titles.toml             what people read for the levels of the rules' own comparisons
<rules>/reference/<table>.csv   code lists that stand in for the shipped ones of the same name
"""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import tomllib
from collections.abc import Iterator
from difflib import get_close_matches
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from rules import asking, checks, working_days
from rules.errors import Problem, RulesError
from rules.model import Case, Entity, EntityRules, Form, Rules, Sources

SHIPPED = Path(__file__).resolve().parent
_HASHED = {".toml", ".json", ".csv"}
# No release is a function of a form, of what days are worked, or of what levels are called.
_UNHASHED = {"build", "forms", "holidays.csv", "titles.toml"}
_KEPT = {*_HASHED, ".parquet", ".sql"}
_COPIED = {"entity.toml", "sources.toml", "cases.toml", "weights.json"}
_Model = TypeVar("_Model", bound=BaseModel)


def load_rules(folder: Path) -> Rules:
    """The rules in `folder`, entity types in the order in which they are matched.

    Raises:
        RulesError: with every problem of every file.
    """
    rules, problems = _read(folder)
    if problems or rules is None:
        raise RulesError(problems)
    return rules


def check(folder: Path) -> list[Problem]:
    """Every problem of a rules folder; empty where `load_rules` would succeed."""
    return _read(folder)[1]


def copy_shipped(target: Path) -> None:
    """Copy the shipped entity folders to `target`, so that maintainers edit their own."""
    for entity in _entity_folders(SHIPPED):
        (target / entity.name).mkdir(parents=True)
        for name in sorted(_COPIED):
            if (entity / name).exists():
                shutil.copyfile(entity / name, target / entity.name / name)
    for path in (*_form_files(SHIPPED), *_watch_files(SHIPPED)):
        (target / path.parent.name).mkdir(exist_ok=True)
        shutil.copyfile(path, target / path.parent.name / path.name)


def rule_files(folder: Path) -> list[Path]:
    """Every file of a rules folder that the rules or their frequencies stand in."""
    # What was built beside the shipped rules is none of them; where the folder itself stands does not matter.
    found = ((path, path.relative_to(folder).parts) for path in folder.rglob("*") if path.suffix in _KEPT)
    return sorted(path for path, parts in found if "build" not in parts and not path.name.startswith("."))


def reference_path(rules_folder: Path, name: str) -> Path:
    """The CSV of reference table `name`: the workspace's own where there is one, else the shipped one."""
    own = rules_folder / "reference" / f"{name}.csv"
    return own if own.exists() else SHIPPED / "reference" / f"{name}.csv"


def _entity_folders(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob("*/entity.toml"))


def _form_files(folder: Path) -> list[Path]:
    return sorted((folder / "forms").glob("*.toml"))


def _watch_files(folder: Path) -> list[Path]:
    return sorted((folder / "watch").glob("*.sql"))


def _read(folder: Path) -> tuple[Rules | None, list[Problem]]:
    folders = _entity_folders(folder)
    if not folders:
        return None, [Problem(str(folder), "", "no <entity>/entity.toml in this folder")]
    problems: list[Problem] = []
    entities = {}
    for path in folders:
        rules = _read_entity(path, problems)
        if rules is not None:
            entities[rules.name] = rules
    lost = list(_incomplete(folder))
    problems += [*lost, *_tables(folder), *working_days.problems(folder)]
    if not lost and len(entities) == len(folders):  # else what could not be read would be missed wherever it is named
        problems += checks.across(entities)
    forms = [(path.stem, _parse(path, Form, problems)) for path in _form_files(folder)]
    watches = [(path.stem, asking.read_watch(path, problems)) for path in _watch_files(folder)]
    if problems:
        return None, problems
    found = Rules(
        folder=folder,
        entities=in_order(entities),
        sha256=_hash(folder),
        forms={name: form for name, form in forms if form is not None},
        watches={name: watch for name, watch in watches if watch is not None},
    )
    problems += asking.problems(found)
    return (None if problems else found), problems


def _incomplete(folder: Path) -> Iterator[Problem]:
    """Folders of an entity type that lost their first file."""
    for path in sorted(folder.glob("*/sources.toml")):
        if not path.with_name("entity.toml").exists():
            yield Problem(f"{path.parent.name}/entity.toml", "", "missing, though the folder has a sources.toml")


def _tables(folder: Path) -> Iterator[Problem]:
    """What is wrong with the headings of the reference tables that a workspace has of its own."""
    for shipped in sorted((SHIPPED / "reference").glob("*.csv")):
        own = folder / "reference" / shipped.name
        if own == shipped or not own.exists() or own.stem == working_days.TABLE:
            continue
        wanted, found = _headings(shipped), _headings(own)
        if missing := [name for name in wanted if name not in found]:
            said = f"line 1: needs the columns {', '.join(missing)}; the file has {', '.join(found) or 'none'}"
            yield Problem(f"reference/{own.name}", "", said)


def _headings(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        return next(csv.reader(file), [])


def in_order(entities: dict[str, EntityRules]) -> dict[str, EntityRules]:
    """The entity types so that each stands behind those it refers to; else in the order of their names.

    Raises:
        graphlib.CycleError: they refer to each other in a circle.
    """
    graph = TopologicalSorter({name: sorted(rules.needs & entities.keys()) for name, rules in entities.items()})
    graph.prepare()
    found: dict[str, EntityRules] = {}
    while graph.is_active():
        ready = sorted(graph.get_ready())
        found |= {name: entities[name] for name in ready}
        graph.done(*ready)
    return found


def _read_entity(folder: Path, problems: list[Problem]) -> EntityRules | None:
    found = len(problems)
    entity = _parse(folder / "entity.toml", Entity, problems)
    sources = _parse(folder / "sources.toml", Sources, problems, default={"sources": {}})
    cases = _parse(folder / "cases.toml", _Cases, problems, default={})
    weights = _parse_json(folder / "weights.json", problems)
    if entity is None or sources is None or cases is None or len(problems) > found:
        return None
    rules = EntityRules(folder=folder, entity=entity, sources=sources, cases=cases.case, weights=weights)
    problems += checks.within(rules)
    return rules


class _Cases(BaseModel):
    case: tuple[Case, ...] = ()
    model_config = {"frozen": True, "extra": "forbid"}


def _parse(
    path: Path, model: type[_Model], problems: list[Problem], default: dict[str, Any] | None = None
) -> _Model | None:
    file = f"{path.parent.name}/{path.name}"
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() or default is None else default
    except tomllib.TOMLDecodeError as error:
        problems.append(Problem(file, "", f"not TOML: {error}"))
        return None
    except UnicodeDecodeError as error:
        problems.append(Problem(file, "", f"not UTF-8 at byte {error.start}; save it as UTF-8"))
        return None
    try:
        return model.model_validate(values)
    except ValidationError as error:
        for item in error.errors():
            problems.append(Problem(file, ".".join(str(part) for part in item["loc"]), _sentence(model, item)))
        return None


def _parse_json(path: Path, problems: list[Problem]) -> dict[str, Any] | None:
    if not path.exists():
        return None
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        problems.append(Problem(f"{path.parent.name}/{path.name}", "", f"not JSON: {error}"))
        return None
    return values


def _sentence(model: type[BaseModel], item: Any) -> str:
    """What is wrong with one key, with the nearest known key where the key is unknown."""
    if item["type"] == "extra_forbidden":
        known = _keys_at(model, item["loc"][:-1])
        near = get_close_matches(str(item["loc"][-1]), known, n=1, cutoff=0.5)
        return (
            f'unknown key; did you mean "{near[0]}"?' if near else f"unknown key; known are {', '.join(sorted(known))}"
        )
    if item["type"] == "missing":
        return "is missing"
    shown = "" if isinstance(item["input"], dict | list) else f" (found {item['input']!r})"
    return f"{item['msg'][0].lower()}{item['msg'][1:]}{shown}"


def _keys_at(model: Any, location: tuple[int | str, ...]) -> list[str]:
    """The known keys of the model that stands at `location` inside `model`."""
    for part in location:
        if isinstance(model, type) and issubclass(model, BaseModel):
            field = model.model_fields.get(str(part))
            model = field.annotation if field else None
        elif get_origin(model) in (dict, tuple):
            model = next((a for a in reversed(get_args(model)) if a is not Ellipsis), None)
        model = _inner(model)
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _inner(model: Any) -> Any:
    while get_origin(model) not in (None, dict, tuple):
        arguments = [a for a in get_args(model) if a is not type(None)]
        is_union = get_origin(model) is Union or type(None) in get_args(model)
        model = arguments[0] if is_union or arguments else None
    return model


def _hash(folder: Path) -> str:
    digest = hashlib.sha256()
    hashed = (path for path in folder.rglob("*") if path.suffix in _HASHED)
    for path in sorted(path for path in hashed if not _UNHASHED & set(path.relative_to(folder).parts)):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
