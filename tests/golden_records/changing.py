"""A small registry that changes at random: persons, households and committees under the shipped rules.

`World.step` delivers, decides or lets days pass, and links. Which source records that changed is told by comparing what
linking made before and after, so that everything behind the linking may be tried on its own.
"""

from __future__ import annotations

import random
import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb

from linkage import ingest, touched
from linkage.decisions import Decision, DecisionStore
from linkage.link import chosen_with_records, link
from linkage.workspace import Workspace, use_entity
from rules.columns import quote
from rules.kinds.gb11643 import check_character
from rules.model import EntityRules
from tests.deliveries import CIVIL, COMMITTEES, DIED, HOUSEHOLDS, SOCIAL

FAMILY = CIVIL.replace("变更日期", "户号,与户主关系,配偶姓名,人员状态,状态日期,变更日期")
assert DIED != FAMILY
NAMES = "伟芳娜敏静丽强磊军洋勇艳杰娟涛"
VILLAGES = {"880101101201": "东屏庄", "880101101202": "西屏庄", "880101101203": "柳湾", "880101102201": "白塔"}
Row = dict[str, str]


class World:
    """What the registers hold by key, and the workspace that they deliver to."""

    def __init__(self, root: Path, seed: int) -> None:
        self.rng = random.Random(seed)
        self.ws = Workspace.create(root / "ws")
        self.rules = self.ws.load_rules()
        self.files = root / "files"
        self.files.mkdir()
        self.day = date(2024, 1, 10)
        self.civil: dict[str, Row] = {}
        self.social: dict[str, Row] = {}
        self.homes: dict[str, Row] = {}
        self.count = 0

    @property
    def decisions(self) -> DecisionStore:
        return DecisionStore(self.ws.decisions)

    def begin(self, families: int) -> None:
        """The first deliveries."""
        for _ in range(families):
            self._family()
        self._deliver(list(self.civil), list(self.social))
        self._list_homes()
        self._list_villages(2023)
        self.link()

    def step(self) -> str:
        """Something changes, and is linked; says what."""
        self.day += timedelta(days=1)
        done = self.rng.choice(
            (
                self._came,
                self._corrected,
                self._died,
                self._went,
                self._moved,
                self._decided,
                self._withdrew,
                self._aged,
            )
        )()
        self.link()
        return done

    # ── what may happen ─────────────────────────────────────────────────────────────────────────────

    def _came(self) -> str:
        keys = self._family()
        self._deliver(keys, [key for key in self.social if key[1:] in {one[1:] for one in keys}])
        self._list_homes()
        return "a family came"

    def _corrected(self) -> str:
        told = self.rng.sample(sorted(self.civil), 3)
        for key in told:
            field, value = self.rng.choice(
                (
                    ("联系电话", f"154{self.rng.randrange(30):08}"),
                    ("户籍地址", f"青泉县新庄镇柳湾村{self.rng.randrange(9)}号"),
                    ("公民身份号码", self.rng.choice(list(self.civil.values()))["公民身份号码"]),
                    ("姓名", self.rng.choice(list(self.civil.values()))["姓名"]),
                )
            )
            self.civil[key] = self.civil[key] | {field: value}
        also = self.rng.sample(sorted(self.social), 1)
        self.social[also[0]] = self.social[also[0]] | {"手机号": f"154{self.rng.randrange(30):08}"}
        self._deliver(told, also)
        return f"corrected {told}"

    def _died(self) -> str:
        key = self.rng.choice(sorted(self.civil))
        self.civil[key] = self.civil[key] | {"人员状态": "死亡", "状态日期": f"{self.day - timedelta(3):%Y%m%d}"}
        self._deliver([key], [])
        return f"{key} died"

    def _went(self) -> str:
        key = self.rng.choice(sorted(self.social))
        gone = self.rng.choice(sorted(self.civil))
        self._deliver([gone], [key], "删除")
        del self.social[key], self.civil[gone]
        return f"{key} and {gone} went"

    def _moved(self) -> str:
        one, other = self.rng.sample(sorted(self.homes), 2)
        members = self.homes[one]["成员人员编号"].split(";")
        self.homes[other] = self.homes[other] | {
            "成员人员编号": self.homes[other]["成员人员编号"] + ";" + members[-1],
            "居住地委员会代码": self.rng.choice(list(VILLAGES)),
        }
        if self.rng.random() < 0.5:
            del self.homes[one]
        else:
            self.homes[one] = self.homes[one] | {"成员人员编号": ";".join(members[:-1])}
        self._list_homes()
        return f"{one} moved to {other}"

    def _decided(self) -> str:
        civil = [("civil_registry", key) for key in sorted(self.civil)]
        social = [("social_assistance", key) for key in sorted(self.social)]
        kind = self.rng.choice(("same", "different", "value"))
        if kind == "value":
            subject = self.rng.choice(civil + social)
            said = Decision("value", "person", (subject,), "seen", "eve", (("field", "phone"), ("value", "x")))
        else:
            either = {*self._pairs("same"), *self._pairs("different")}
            pair = (self.rng.choice(civil), self.rng.choice(social))
            if pair in either:
                return "nothing"
            said = Decision(kind, "person", pair, "seen", "eve")
        self.decisions.add(said)
        return f"decided {kind} {said.subjects}"

    def _withdrew(self) -> str:
        found = self.decisions.entries()
        if not found:
            return self._decided()
        one = self.rng.choice(found)
        self.decisions.withdraw(one.decision_id)
        return f"withdrew {one.kind} {one.subjects}"

    def _aged(self) -> str:
        days = self.rng.choice((1, 20, 70, 400))
        self.day += timedelta(days=days)
        if self.rng.random() < 0.5:
            self._list_villages(self.day.year - 1)
        return f"{days} days passed"

    def _pairs(self, kind: str) -> list[tuple[Any, ...]]:
        return [one.subjects for one in self.decisions.entries("person") if one.kind == kind]

    # ── deliveries ──────────────────────────────────────────────────────────────────────────────────

    def _family(self) -> list[str]:
        """A family of two or three in a household of its own; half of them are on assistance. Gives their keys."""
        self.count += 1
        rng, home = self.rng, f"88010110100{self.count:02}"
        surname, village = rng.choice("王李张刘"), rng.choice(list(VILLAGES))
        names = [surname + a + b for a, b in zip(rng.sample(NAMES, 3), rng.sample(NAMES, 3), strict=True)]
        keys = []
        for place, relation in enumerate(("户主", "配偶", "子")[: rng.choice((2, 3))]):
            key, sex = f"C{self.count:03}{place}", 2 if place == 1 else 1
            born = date(1950 + rng.randrange(8) + 27 * (place > 1), rng.randrange(1, 13), rng.randrange(1, 28))
            body = f"880101{born:%Y%m%d}{rng.randrange(50) * 2 + sex:03}"
            self.civil[key] = {
                "人员编号": key,
                "姓名": names[place],
                "性别": str(sex),
                "出生日期": f"{born:%Y%m%d}",
                "公民身份号码": body + check_character(body),
                "联系电话": f"154{rng.randrange(30):08}",
                "户籍地区划": village[:9],
                "户籍地址": f"青泉县新庄镇{VILLAGES[village]}村{self.count}号",
                "户号": home,
                "与户主关系": relation,
                "配偶姓名": names[1 - place] if place < 2 else "",
            }
            keys.append(key)
            if rng.random() < 0.6:
                said = self.civil[key]
                self.social["S" + key[1:]] = {
                    "救助编号": "S" + key[1:],
                    "申请人姓名": said["姓名"],
                    "性别": "女" if sex == 2 else "男",
                    "出生年月日": f"{born}",
                    "身份证号": said["公民身份号码"] if rng.random() < 0.7 else "",
                    "手机号": said["联系电话"] if rng.random() < 0.7 else f"154{rng.randrange(30):08}",
                    "区划代码": village[:9],
                    "家庭住址": said["户籍地址"],
                }
        self.homes[home] = {
            "户号": home,
            "户类型": "家庭户",
            "户主人员编号": keys[0],
            "成员人员编号": ";".join(keys),
            "户籍地区划": village[:9],
            "户籍地址": f"青泉县新庄镇{VILLAGES[village]}村{self.count}号",
            "居住地委员会代码": village,
            "户状态": "正常",
        }
        return keys

    def _deliver(self, civil: list[str], social: list[str], op: str = "") -> None:
        day = {"变更日期": f"{self.day:%Y%m%d}", "更新日期": f"{self.day}", "操作": op}
        if civil:
            self._load("person", "civil_registry", FAMILY, [self.civil[key] | day for key in civil])
        if social:
            self._load("person", "social_assistance", SOCIAL, [self.social[key] | day for key in social])

    def _list_homes(self) -> None:
        day = {"变更日期": f"{self.day:%Y%m%d}"}
        self._load("household", "civil_household", HOUSEHOLDS, [one | day for _, one in sorted(self.homes.items())])

    def _list_villages(self, year: int) -> None:
        told = [
            {"年份": str(year), "统计用区划代码": code, "名称": name + self.rng.choice(("村委会", "村民委员会"))}
            for code, name in VILLAGES.items()
        ]
        place = {"乡镇": "新庄镇", "县": "青泉县", "市": "北屏市", "省": "沧原省"}
        self._load("committee", "stat_divisions", COMMITTEES, [one | place for one in told])

    def _load(self, entity: str, source: str, headings: str, rows: list[Row]) -> None:
        path = self.files / f"{source}_{self.day:%Y%m%d}_{len(list(self.files.iterdir()))}.csv"
        columns = headings.strip().split(",")
        lines = [",".join(row.get(name, "") for name in columns) for row in rows]
        path.write_text(headings + "\n".join(lines) + "\n", "utf-8")
        con = self.ws.connect()
        try:
            ingest.load_file(con, self.ws, self.rules.entities[entity], source, path, self.day)
        finally:
            con.close()

    # ── linking ─────────────────────────────────────────────────────────────────────────────────────

    def link(self) -> None:
        """Link everything, and tell by comparison which records changed."""
        rules, con = self.rules, self.ws.connect()
        try:
            known = []
            for one in chosen_with_records(con, rules):
                use_entity(con, one.name)
                if touched.known(con):
                    known.append(one)
                    con.execute(f"create or replace temp table then_{one.name} as {linked_sql(con, one)}")
            link(con, self.ws, rules, self.decisions, self.day)
            for one in known:
                use_entity(con, one.name)
                touched.settle(con)
                con.execute(f"create or replace temp table now as {linked_sql(con, one)}")
                then = f"then_{one.name}"
                touched.note(con, f"(from now except from {then}) union (from {then} except from now)")
        finally:
            con.close()


def linked_sql(con: duckdb.DuckDBPyConnection, rules: EntityRules) -> str:
    """SQL: one row per source record and thing that linking says of it, by no number of the work database."""
    planned = ["relation_circle", "relation_to_unknown", "illegal_transition"]
    planned += [check.rule for check in rules.entity.golden_checks]
    own = ", ".join(f"'{rule}'" for rule in planned)

    def told(table: str) -> str:
        names = [str(row[0]) for row in con.execute(f"describe {table}").fetchall()]
        kept = [quote(n) for n in names if n not in ("record_id", "ordinal") and not n.endswith("__nth")]
        said = ", ".join(f"{name}::varchar" for name in kept)
        return f"select source, source_key, '{table}' as what, [{said}] as said from {table}"

    record, grouped = (f"select record_id, source, source_key from {table}" for table in ("record", "grouped_record"))
    return f"""
    {told("standard")} union all {told("past")}
    union all
    select source, source_key, 'current', [row_hash] from current_record
    union all
    select r.source, r.source_key, 'finding', [field, rule, severity, detail]
    from finding join ({record} union all {grouped}) as r using (record_id) where rule not in ({own})
    union all
    select s.source, s.source_key, 'cluster',
           list_sort(list(s.source || '/' || s.source_key) over (partition by c.cluster_id))
    from standard as s join cluster as c using (record_id)"""


def copy(ws: Workspace, target: Path) -> Workspace:
    """The same workspace in another place."""
    shutil.copytree(ws.root, target, symlinks=True)
    return Workspace.open(target)
