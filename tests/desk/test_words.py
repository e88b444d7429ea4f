"""No string of a page lacks its Chinese, no Chinese lacks its string, and every word of the engine is known."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.extract import extract
from babel.messages.pofile import read_po

from desk import words
from desk.access import ROLES
from desk.language import CATALOGUE, translator
from desk.problems import TITLES
from golden_records.changes import KINDS as EVENTS
from golden_records.tickets import STATES as TICKETS
from golden_records.verification import STATES
from linkage.decisions import KINDS, PAIRED
from linkage.waiting import IN_DOUBT

DESK = Path(words.__file__).parent
MARKS = {"_": None, "N_": None, "translate": None}
PLACE = re.compile(r"%\((\w+)\)s")


@pytest.fixture(scope="module")
def strings() -> set[str]:
    """Every string that the templates and the modules of the desk mark."""
    found: set[str] = set()
    for path in sorted(DESK.rglob("*")):
        method = {".html": "jinja2.ext:babel_extract", ".py": "python"}.get(path.suffix)
        if method is not None:
            with path.open("rb") as file:
                found |= {str(text) for _, text, *_ in extract(method, file, MARKS, (), {"silent": "false"})}
    return found


@pytest.fixture(scope="module")
def chinese() -> dict[str, str]:
    with CATALOGUE.open("rb") as file:
        return {str(one.id): str(one.string) for one in read_po(file, abort_invalid=True) if one.id}


def test_every_string_has_its_chinese_and_no_other_is_there(strings: set[str], chinese: dict[str, str]) -> None:
    assert len(strings) > 200
    assert sorted(strings) == sorted(chinese)
    for english, zh in chinese.items():
        assert zh and sorted(PLACE.findall(zh)) == sorted(PLACE.findall(english)), english
        assert not re.search(r"[一-鿿]", english), f"{english}: the templates are English"


def test_no_template_has_a_sentence_beside_the_catalogue() -> None:
    for path in (DESK / "templates").glob("*.html"):
        text = re.sub(r"{%.*?%}|{{.*?}}|{#.*?#}|<[^>]*>", " ", path.read_text("utf-8"), flags=re.DOTALL)
        assert set(re.findall(r"[A-Za-z]{2,}|[一-鿿]+", text)) <= {"源", "Cohen"}, path


@pytest.mark.parametrize(
    ("known", "names"),
    [
        (words.ROLES, ROLES),
        (words.STATES, STATES),
        (words.KINDS, KINDS),
        (words.EVENTS, (*EVENTS, "unchanged")),
        (words.TICKETS, TICKETS),
        (words.ANSWERS, ("existing", "steward", "new")),
        (TITLES, (401, 403, 404, 409, 413, 422, 429, 503)),
    ],
)
def test_every_word_of_the_engine_is_known(known: dict[object, str], names: tuple[object, ...]) -> None:
    assert set(names) <= set(known)


def test_why_something_waits_is_told_in_both_languages() -> None:
    reasons = [IN_DOUBT, "a guard of the rules holds it back", "a steward pinned one of the entities"]
    reasons += ["two values of id in one cluster", f"decided 'same' before, and a record changed since; {IN_DOUBT}"]
    for text in reasons:
        zh, en = words.reason(text, translator("zh")), words.reason(text, translator("en"))
        assert re.search(r"[一-鿿]", zh) and "None" not in en, text
        assert not re.search(r"waits|before|cluster", zh), text
    assert (
        words.needs("mark identifies: no one person overrides it", translator("zh"))
        == "mark 是标识字段，不能由一人改定"
    )
    assert set(PAIRED) <= set(words.KINDS)
