"""Two entity types in two regions, for the tests of what a grant shows.

ship r1   880101, owner 甲, flag 中国        ship r2   880201, owner 甲, so a sister of r1
ship r3   no division                       boat b1   880101
"""

from __future__ import annotations

import shutil
from pathlib import Path

from linkage.workspace import Workspace
from tests.golden_records.things import SHIP, Yard

RELATIONS = """
[[relations]]
type = "sister"
title = { zh = "同船东", en = "sister" }
keys = ["owner__key"]

[[relations]]
type = "flies"
title = { zh = "悬挂", en = "flies" }
party = "flag"
"""
SHIPS = [
    {"id": "r1", "mark": "MK-1", "name": "东风号", "owner": "甲公司", "flag": "中国", "port": "880101"}
    | {"radio": "15400000001", "built": "1999-05-04"},
    {"id": "r2", "mark": "MK-2", "name": "海鸥号", "owner": "甲公司", "port": "880201", "radio": "15400000002"},
    {"id": "r3", "mark": "MK-3", "name": "长江号", "owner": "乙公司"},
]
BOATS = [{"id": "b1", "mark": "MK-7", "name": "小海豚", "owner": "丙公司", "port": "880101"}]
# What of all that is personal, and stands nowhere in the clear unless somebody opened it.
CLEAR = {"东风号", "海鸥号", "小海豚", "甲公司", "丙公司", "15400000001", "15400000002", "1999-05-04"}


def write_rules(folder: Path) -> Path:
    """Ships whose port is a division and who are related, and boats, which are the same under another name."""
    text = (SHIP / "entity.toml").read_text("utf-8")
    before, port, after = text.partition('[fields.port]\nkind = "text"')
    assert port
    for name, prefix in (("ship", "S"), ("boat", "B")):
        shutil.copytree(SHIP, folder / name)
        rules = f'{before}[fields.port]\nkind = "division"{after}{RELATIONS}'
        rules = rules.replace('entity = "ship"', f'entity = "{name}"').replace('prefix = "S"', f'prefix = "{prefix}"')
        (folder / name / "entity.toml").write_text(rules, "utf-8")
    return folder


def create(folder: Path) -> Yard:
    """The workspace, with one release."""
    yard = Yard(Workspace.create(folder / "ws", "07", write_rules(folder / "rules")))
    yard.deliver("registry", "2024-01-31", *SHIPS)
    yard.deliver("registry", "2024-02-01", *BOATS, entity="boat")
    yard.release()
    return yard
