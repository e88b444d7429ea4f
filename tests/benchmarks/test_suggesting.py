"""The hand-written rules of another take the place of the proposed ones, and nothing else of the file changes."""

from __future__ import annotations

import tomllib
from pathlib import Path

from benchmarks.suggesting import SPLINK_RULES, _block_by, as_text

PROPOSED = """entity = "item"

[[blocking]]
keys = ["name__key"]
cap = 200

[[blocking]]
keys = ["born__key", "place__key"]
cap = 200

# ── comparisons ──
[[comparisons]]
name = "name"
field = "name"

[matching]
accept = 3.0
budget = 40

[training]
em = [["name__key"]]
"""


def test_only_blocking_and_its_budget_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / "entity.toml"
    path.write_text(PROPOSED, "utf-8")
    _block_by(path, SPLINK_RULES)
    before, after = tomllib.loads(PROPOSED), tomllib.loads(path.read_text("utf-8"))
    assert [tuple(one["keys"]) for one in after.pop("blocking")] == list(SPLINK_RULES)
    assert after["matching"].pop("budget") > before["matching"].pop("budget")
    before.pop("blocking")
    assert after == before


def test_a_table_says_what_either_set_of_rules_brings() -> None:
    one = {"rules": 3, "pairs": 1448, "recall": 0.98664, "other_half": 0.9}
    sets = [{"set": "province 1", "entity": "household", "records": 7182, "cpu_s": 8.4}]
    sets[0] |= {name: one for name in ("written", "suggested", "by_half")}
    text = as_text({"command": "…", "environment": {}, "sets": sets})
    cells = "3, 1,448, 0.9866 | 3, 1,448, 0.9866 | 3, 1,448, 0.9000 | 0.9000 | 8"
    assert f"| province 1 | household | 7,182 | {cells} |" in text
