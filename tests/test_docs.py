"""The pages say what the program has: every key of the rules, every command, the same in both languages.

A key or a command that somebody adds without a word about it fails here, and so does one that a page still
names after it is gone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import typer
from pydantic import BaseModel

from cli import app
from rules import keys
from rules.kinds import KINDS

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """`model` and every model that its fields hold, however deep."""
    yield model
    waiting: list[Any] = [field.annotation for field in model.model_fields.values()]
    while waiting:
        one = waiting.pop()
        if isinstance(one, type) and issubclass(one, BaseModel):
            yield from models(one)
        waiting += get_args(one)


def sections(page: str) -> dict[str, str]:
    """Heading -> what stands between it and the next one."""
    parts = re.split(r"^#+ (.+)$", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def commands() -> dict[str, set[str]]:
    """Every command as it is typed behind `shuyuan`, with its options."""
    found: dict[str, set[str]] = {}

    def walk(command: Any, name: str) -> None:
        for part, inner in getattr(command, "commands", {}).items():
            walk(inner, f"{name} {part}".strip())
        if not hasattr(command, "commands"):
            found[name] = {word for option in command.params for word in (*option.opts, *option.secondary_opts)}

    walk(typer.main.get_command(app), "")
    return found


RULES_PAGE = sections(text("docs/rules.md"))
MODELS = sorted({one for top, _ in keys.FILES.values() for one in models(top)}, key=lambda one: one.__name__)
COMMANDS = commands()
TABLES = keys.tables()


def test_the_page_of_keys_is_what_the_models_say() -> None:
    assert keys.as_markdown() == text("docs/rule_keys.md"), "run 'python -m rules.keys'"


@pytest.mark.parametrize("model", MODELS, ids=lambda one: one.__name__)
def test_every_key_of_a_model_is_told_of_in_both_languages(model: type[BaseModel]) -> None:
    told = [one for one in TABLES if one.model is model]
    assert len(told) == 1, "a model without a table"
    assert [key.key for key in told[0].keys] == [field.alias or name for name, field in model.model_fields.items()]
    for key in told[0].keys:
        assert re.search("[\u4e00-\u9fff]|^m ", key.zh), f"{model.__name__}.{key.key}: no Chinese"
        assert key.en and not re.search("[\u4e00-\u9fff]", key.en), f"{model.__name__}.{key.key}: no English"


def test_every_link_to_a_key_leads_to_its_table() -> None:
    page = text("docs/rule_keys.md")
    there = {re.sub(r"[^a-z_ -]", "", said.lower()).strip().replace(" ", "-") for said in sections(page)}
    for one in PAGES:
        own = r"\]\(#([a-z_-]+)\)" if one.name == "rule_keys.md" else r"\]\(rule_keys\.md#([^)]+)\)"
        assert set(re.findall(own, one.read_text("utf-8"))) <= there, one.name


def test_the_table_of_kinds_has_every_kind_with_its_columns_levels_and_options() -> None:
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| (.+)$", RULES_PAGE["Value kinds"], flags=re.MULTILINE))
    assert set(KINDS) <= set(rows)
    for name, kind in KINDS.items():
        levels = [level.label for level in kind.compare("f", kind.options).levels]
        for word in (*kind.columns, *kind.options, *levels):
            assert f"`{word}`" in rows[name], f"{word} of kind {name}"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_documented(command: str) -> None:
    said = text("README.md") + text("docs/command_line.md")
    assert re.search(rf"\bshuyuan {command}(?![\w-])", said), f"shuyuan {command} stands on no page"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_example_is_a_command_with_options_it_has(page: Path) -> None:
    for block in re.findall(r"^```\w*\n(.*?)^```$", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE):
        for line in re.findall(r"^(?:\$ )?(?:.* \| )?shuyuan (.+)$", block, flags=re.MULTILINE):
            words = line.split("  #")[0].split()
            name = next((" ".join(words[:n]) for n in (2, 1) if " ".join(words[:n]) in COMMANDS), None)
            assert name is not None, f"{page.name}: no command in: shuyuan {line}"
            options = {word for word in words if re.fullmatch(r"--[a-z-]+|-[a-z]", word)}
            assert options <= COMMANDS[name] | {"--help"}, f"{page.name}: shuyuan {line}"


def test_both_languages_have_the_same_code_blocks() -> None:
    english, chinese = (
        re.findall(r"^```.*?^```$", text(name), flags=re.DOTALL | re.MULTILINE)
        for name in ("README.md", "README.zh.md")
    )
    assert english == chinese


def test_both_languages_have_the_same_sections_and_links() -> None:
    def shape(name: str) -> tuple[list[str], list[str]]:
        page = text(name)
        links = [link for link in re.findall(r"\]\(([^)]+)\)", page) if not link.startswith("README")]
        links = [link.replace(".zh.png", ".en.png") for link in links]  # a picture speaks the page's language
        return re.findall(r"^(#+) ", page, flags=re.MULTILINE), links

    assert shape("README.md") == shape("README.zh.md")
    assert "(README.zh.md)" in text("README.md")
    assert "(README.md)" in text("README.zh.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_page_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text("utf-8")):
        if "://" not in link:
            assert (page.parent / link.split("#")[0]).exists(), f"{page.name}: {link}"
