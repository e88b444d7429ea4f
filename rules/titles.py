"""What people read for the labels of levels and for comparisons, in Chinese and English."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from pydantic import ValidationError

from rules.errors import Problem, RulesError
from rules.model import Entity, Title

FILE = "titles.toml"


@cache
def titles(folder: Path) -> dict[str, dict[str, Title]]:
    """`levels` and `comparisons`, label -> title: the shipped ones, and what a rules folder adds or says otherwise.

    Raises:
        RulesError: the file of the folder cannot be read.
    """
    found: dict[str, dict[str, Title]] = {"levels": {}, "comparisons": {}}
    for path in (Path(__file__).parent / FILE, folder / FILE):
        if not path.exists():
            continue
        try:
            said = tomllib.loads(path.read_text("utf-8"))
            for part in found:
                found[part] |= {label: Title.model_validate(title) for label, title in said.get(part, {}).items()}
        except (tomllib.TOMLDecodeError, AttributeError, ValidationError) as error:
            told = f'{error}: expected [levels] with lines such as exact = {{ zh = "相同", en = "equal" }}'
            raise RulesError([Problem(FILE, "levels", told)]) from error
    return found


def level_title(folder: Path, label: str) -> Title:
    """The title of a level; one that nobody gave a title stands for itself."""
    return titles(folder)["levels"].get(label) or Title(zh=label, en=label)


def comparison_title(folder: Path, entity: Entity, name: str) -> Title:
    """The title of a comparison: its own, else that of the field that it is named after or compares, else its name."""
    (rule,) = (one for one in entity.comparisons if one.name == name)
    fields = [entity.fields[field].title for field in (name, rule.field) if field in entity.fields]
    own = titles(folder)["comparisons"].get(name)
    return own or (fields[0] if fields else Title(zh=name, en=name))
