"""Every level and comparison of the shipped rules has a title in both languages."""

from __future__ import annotations

from pathlib import Path

import pytest

from linkage.splink_model import level_labels
from rules.errors import RulesError
from rules.loader import SHIPPED, load_rules
from rules.titles import comparison_title, level_title, titles


def test_nothing_that_a_steward_reads_is_a_bare_label() -> None:
    for one in load_rules(SHIPPED).entities.values():
        for rule in one.entity.comparisons:
            for label in [*level_labels(one.entity, rule), "null"]:
                assert label in titles(SHIPPED)["levels"], (one.name, rule.name, label)
            title = comparison_title(SHIPPED, one.entity, rule.name)
            assert title.zh != rule.name, (one.name, rule.name)


def test_a_rules_folder_adds_titles_and_says_others(tmp_path: Path) -> None:
    (tmp_path / "titles.toml").write_text(
        '[levels]\nexact = { zh = "完全一致", en = "identical" }\n"my own" = { zh = "自定", en = "mine" }\n', "utf-8"
    )
    assert level_title(tmp_path, "exact").zh == "完全一致"
    assert level_title(tmp_path, "my own").en == "mine"
    assert level_title(tmp_path, "toned").en == level_title(SHIPPED, "toned").en
    assert level_title(tmp_path, "nobody's").zh == "nobody's"


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "titles.toml").write_text('[levels]\nexact = "equal"\n', "utf-8")
    with pytest.raises(RulesError, match="titles"):
        titles(tmp_path)
