"""The two languages of the pages: English stands in the templates, Chinese in a gettext catalogue.

The catalogue is read as it is written (`locale/zh/LC_MESSAGES/desk.po`): nothing is compiled, so a wheel and a checkout
read the same file. A test compares it with every string of the templates and of `words.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from babel.messages.pofile import read_po
from fastapi import Request

Language = Literal["zh", "en"]
Translate = Callable[..., str]
LANGUAGES: dict[Language, str] = {"zh": "中文", "en": "English"}
COOKIE = "shuyuan_language"
CATALOGUE = Path(__file__).parent / "locale" / "zh" / "LC_MESSAGES" / "desk.po"


@cache
def catalogue() -> Mapping[str, str]:
    """English -> Chinese."""
    with CATALOGUE.open("rb") as file:
        return {str(one.id): str(one.string) for one in read_po(file, locale="zh") if one.id and one.string}


def language_of(request: Request) -> Language:
    """The language that the browser chose; Chinese where it chose none."""
    return "en" if request.cookies.get(COOKIE) == "en" else "zh"


def translator(language: Language) -> Translate:
    """`_("%(count)s items", count=3)`: a sentence in the language, its places filled."""
    known = catalogue() if language == "zh" else {}

    def translate(message: str, **values: Any) -> str:
        text = known.get(message, message)
        return text % values if values else text

    return translate


def titled(title: Any, language: Language) -> str:
    """A title of the rules (`zh`, `en`; a model or a mapping) in the language."""
    return str(title[language] if isinstance(title, Mapping) else getattr(title, language))
