"""A quay where stewards have work: pairs that wait, tickets, relations; in two regions and two lines of business.

q1 … q12   the registry and the harbour give one mark to ships of two names: each pair waits for a steward
t1         both agree but on the owner and the radio: one golden record, two tickets
t2         a sister of t1 (one owner), of one source
"""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

from linkage.workspace import Workspace
from tests.desk.harbour import RELATIONS
from tests.golden_records.things import SHIP, Yard

DAY = date(2024, 2, 15)
PAIRS = 12
GUARD = """
[[guards]]
label = "name differs"
when = "name__key_l <> name__key_r"
effect = "review"
"""
NAMES = ["东风", "海鸥", "长江", "黄河", "泰山", "华山", "昆仑", "北斗", "启明", "远望", "雪龙", "向阳"]


def write_rules(folder: Path) -> Path:
    """The rules of ships, whose port is a division and whose names must not differ."""
    shutil.copytree(SHIP, folder / "ship")
    rules = (SHIP / "entity.toml").read_text("utf-8")
    rules = rules.replace('[fields.port]\nkind = "text"', '[fields.port]\nkind = "division"')
    rules = rules.replace('prefix = "S"\n', 'prefix = "S"\nregion = "port"\n') + GUARD + RELATIONS
    (folder / "ship" / "entity.toml").write_text(rules, "utf-8")
    sources = (SHIP / "sources.toml").read_text("utf-8")
    for owner, zh, en in (("海事局", "登记业务", "registration"), ("港务局", "港口业务", "harbours")):
        line = f'owner = "{owner}"\nline = {{ zh = "{zh}", en = "{en}" }}'
        sources = sources.replace(f'owner = "{owner}"', line)
    (folder / "ship" / "sources.toml").write_text(sources, "utf-8")
    return folder


def create(folder: Path) -> Yard:
    """The workspace, with one release and twelve pairs in the queue."""
    yard = Yard(Workspace.create(folder / "ws", "07", write_rules(folder / "rules")))
    registry, harbour = [], []
    for number, name in enumerate(NAMES, 1):
        port = "880101" if number % 2 else "880201"
        known = {
            "mark": f"MK-{number}",
            "port": port,
            "built": f"19{70 + number}-05-04",
            "radio": f"154000000{number:02}",
        }
        registry.append({"id": f"q{number}", "name": f"{name}号", **known})
        harbour.append({"id": f"q{number}", "name": f"{name}轮", **known})
    same = {"mark": "TT-1", "name": "海豚号", "port": "880101", "flag": "中国"}
    registry.append({"id": "t1", **same, "owner": "甲公司", "radio": "15400000101"})
    registry.append({"id": "t2", "mark": "TT-2", "name": "海豹号", "owner": "丁公司", "port": "880201"})
    harbour.append({"id": "t1", **same, "owner": "丁公司", "radio": "15400000102"})
    yard.deliver("registry", "2024-01-31", *registry)
    yard.deliver("harbour", "2024-02-01", *harbour)
    yard.release(DAY)
    return yard
