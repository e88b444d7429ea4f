"""What people read for the labels of levels, in Chinese and English."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from pydantic import ValidationError

from rules.errors import Problem, RulesError
from rules.model import Title

FILE = "titles.toml"


@cache
def level_titles(folder: Path) -> dict[str, Title]:
    """Label -> title: the shipped ones, and those that a rules folder adds or says otherwise.

    Raises:
        RulesError: the file of the folder cannot be read.
    """
    found: dict[str, Title] = {}
    for path in (Path(__file__).parent / FILE, folder / FILE):
        if not path.exists():
            continue
        try:
            said = tomllib.loads(path.read_text("utf-8"))["levels"]
            found |= {label: Title.model_validate(title) for label, title in said.items()}
        except (tomllib.TOMLDecodeError, KeyError, AttributeError, ValidationError) as error:
            told = f'{error}: expected [levels] with lines such as exact = {{ zh = "相同", en = "equal" }}'
            raise RulesError([Problem(FILE, "levels", told)]) from error
    return found


def level_title(folder: Path, label: str) -> Title:
    """The title of a label; one that nobody gave a title stands for itself."""
    return level_titles(folder).get(label) or Title(zh=label, en=label)
