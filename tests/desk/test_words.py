"""No string of a page lacks its Chinese, no Chinese lacks its string, and every word of the engine is known."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.extract import extract
from babel.messages.pofile import read_po

from desk import words
from desk.access import ROLES
from desk.language import CATALOGUE, translator
from desk.problems import TITLES
from desk.refusals import refusal
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


# The modules below the desk whose refusals a page may show.
BEHIND = (
    *(f"linkage/{name}.py" for name in ("decisions", "explain", "one_record", "search")),
    *(f"golden_records/{name}.py" for name in ("approvals", "manifest", "matching", "query", "queue", "scorecard")),
    "golden_records/tickets.py",
)
ERRORS = {"RefusedError", "InputError", "NotFoundError", "DeniedError", "UnknownCallerError", "HTTPException"}


def refused() -> Iterator[tuple[str, str]]:
    """Every refusal of the modules behind the pages, with 7 for whatever is filled in, and where it stands."""
    root = DESK.parent
    for path in (*DESK.rglob("*.py"), *(root / name for name in BEHIND)):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ERRORS:
                told = [text for one in node.args if (text := _text(one)) is not None]
            elif isinstance(node, ast.Yield) and isinstance(node.value, ast.Tuple) and path.name == "decisions.py":
                told = [text for one in node.value.elts[1:] if (text := _text(one)) is not None]
            else:
                continue
            for text in told:
                yield f"{path.relative_to(root)}:{node.lineno}", text


def _text(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(one.value) if isinstance(one, ast.Constant) else "7" for one in node.values)
    return None


def test_no_refusal_that_a_page_may_show_is_without_its_chinese() -> None:
    found = list(refused())
    assert len(found) > 80
    # What the queue fills in is a sentence of its own.
    said = [(at, text.replace("7: 7 since", "7: does not wait any more since")) for at, text in found]
    untold = [(at, text) for at, text in said if not re.search(r"[一-鿿]", refusal(text, translator("zh")) or "")]
    assert untold == []


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("a decision needs a reason", "判定须填写理由"),
        (
            "civil/C1 and tax/T2: lin decided 'same' at 2026-01-02 (decision 5) while you looked at them; look again, "
            "and withdraw that decision if you know better",
            "civil/C1 and tax/T2：您查看期间，lin 已于 2026-01-02 判定为相同（判定 5）。"
            "请重新查看；如有不同意见，先撤回该判定",
        ),
        (
            "body.reason: Field required; body.kind: Input should be 'same' or 'different'",
            "reason：必填；kind：应为 'same' or 'different'",
        ),
        (
            "wen (reader) may not decide; ask the security administrator for a grant that has it",
            "wen（查询人员）无权进行此项操作（decide），请向安全管理员申请授权",
        ),
    ],
)
def test_a_refusal_is_told_with_what_was_filled_in(english: str, chinese: str) -> None:
    assert refusal(english, translator("zh")) == chinese
    assert refusal(english, translator("en")) is not None


def test_a_refusal_that_nobody_translated_is_not_guessed() -> None:
    assert refusal("the moon is full", translator("zh")) is None
