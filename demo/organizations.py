"""Social organizations in three sources: the register, the charity platform and the credit platform.

Names are made as MCA Order 69 has it: place, line and form for groups; place, own name, line and form for private
non-enterprise units and foundations. Branches bear the name of the parent and have no code: they are something else.
The credit platform also holds village cooperatives, which share the name of a village and are no social
organizations at all. Between deliveries some are renamed, change the registrar or are dissolved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from demo.committees import Township
from demo.credit_codes import CreditCodes
from demo.credit_codes import mistyped as mistyped_code
from demo.errors import mistyped
from demo.households import World
from demo.life import DELIVERIES, INTERVALS
from demo.people import COUNTIES, PREFECTURES, PROVINCE, TOWNSHIPS, county_name, township_name
from demo.registers import NAMED, Book, Made, Noted, Row, Writing, deliver_rows, truth_rows
from demo.registry_committees import Chairs

REGISTRY, CHARITY, CREDIT = "social_org_registry", "charity_registry", "credit_platform"
RATES = {
    "organization_name_old": {CHARITY: 0.5, CREDIT: 0.5},
    "organization_name_brackets": {REGISTRY: 0.1, CHARITY: 0.4, CREDIT: 0.4},
    "organization_name_short": {CHARITY: 0.08, CREDIT: 0.03},
    "organization_code_missing": {REGISTRY: 0.02, CHARITY: 0.10, CREDIT: 0.03},
    "organization_code_failing": {REGISTRY: 0.003, CHARITY: 0.02, CREDIT: 0.01},
    "organization_code_old": {CHARITY: 0.10, CREDIT: 0.05},
    "organization_representative_missing": {REGISTRY: 0.05, CHARITY: 0.10},
    "organization_representative_failing": {REGISTRY: 0.02},
    "organization_representative_old": {CHARITY: 0.05, CREDIT: 0.03},
    "organization_phone_missing": {REGISTRY: 0.05, CHARITY: 0.20},
    "organization_address_old": {CHARITY: 0.10, CREDIT: 0.10},
    "organization_status_old": {CREDIT: 0.30},
}
KINDS = tuple(RATES)
PER_PERSON, BRANCHES, COOPERATIVES = 0.013, 0.15, 0.12
IN_CHARITY, IN_CREDIT = 0.20, 0.70
GROUP, UNIT, FOUNDATION = "51", "52", "53"
TYPES = {GROUP: "社会团体", UNIT: "民办非企业单位", FOUNDATION: "基金会"}
RENAMED, RENAMED_NOW, UNCOUPLED, REPLACED, ENDED, BRACKETED = 0.05, 0.01, 0.02, 0.02, 0.05, 0.08
ENDS = {"注销": "deregistered", "撤销": "revoked", "吊销": "withdrawn"}
LINES = (
    "茶叶 养蜂 果业 蔬菜 水稻 畜牧 水产 花卉 食用菌 中药材 书法 摄影 美术 音乐 舞蹈 戏曲 文学 诗词 太极拳 篮球 "
    "足球 羽毛球 乒乓球 围棋 象棋 钓鱼 登山 自行车 餐饮 旅游 酒店 物流 建筑 建材 家具 服装 纺织 机械 电子 软件 "
    "电子商务 物业管理 家政 美容美发 汽车维修 道路运输 会计 审计 律师 医学 护理 中医药 药学 教育 学前教育 教师 "
    "青少年 妇女 老年 残疾人 志愿者 社会工作 扶贫 慈善 环境保护 节能 水利 气象 地质 林业 园林 文物 民俗 收藏 集邮 "
    "观赏石 红十字 消费者 质量 计量 信用 统计 档案"
)
FORMS = ("协会", "学会", "研究会", "促进会", "联合会", "商会", "联谊会", "服务协会")
OWN = (
    "晨光 阳光 爱心 同心 康乐 幸福 夕阳红 春晖 和谐 星火 启明 博爱 仁和 慧心 乐群 益民 暖阳 金桥 希望 育才 新苗 "
    "向日葵 彩虹 蓝天 众善 德馨"
)
UNITS = (
    ("社会工作", "服务中心"),
    ("老年", "养老服务中心"),
    ("养老", "院"),
    ("", "幼儿园"),
    ("职业技能", "培训学校"),
    ("康复", "医院"),
    ("心理", "咨询服务中心"),
    ("助残", "服务中心"),
    ("社区", "服务中心"),
    ("志愿", "服务中心"),
    ("文化", "艺术中心"),
    ("体育", "俱乐部"),
)
CAUSES = ("教育", "公益", "慈善", "助学", "养老", "医疗救助", "环保")
BRANCH_ENDS = ("{}分会", "{}专业委员会", "{}工作委员会", "{}代表处", "{}办事处")
BRANCH_LINES = ("青年", "学术", "科普", "技术", "培训", "女性", "文化", "会员")
SUPERVISORS = ("教育局", "文化和旅游局", "农业农村局", "卫生健康局", "体育局", "科学技术协会", "工商业联合会", "民政局")
FREE = "无（已脱钩）"


@dataclass
class Organization:
    """An organization in the three deliveries; `county` is -1 - prefecture in a city, -1 - 6 in the province."""

    truth: str
    key: str
    kind: str
    county: int
    name: str
    former_name: str | None
    renamed: int
    code: str | None
    former_code: str | None
    registrar: list[str]
    supervisor: list[str]
    representatives: list[int]
    phone: str
    address: str
    founded: str
    parent: str | None = None
    status: list[str] = field(default_factory=lambda: ["正常"] * len(DELIVERIES))
    status_day: list[str | None] = field(default_factory=lambda: [None] * len(DELIVERIES))
    written: list[str] = field(default_factory=lambda: ["2021-01-01"] * len(DELIVERIES))
    home: tuple[int, int] = (0, 0)

    def name_in(self, delivery: int) -> str:
        """What it is called in a delivery."""
        return self.former_name if self.former_name and delivery < self.renamed else self.name

    @property
    def area(self) -> int:
        """The six digits of where it is registered."""
        if self.county >= 0:
            return 880000 + (self.county // COUNTIES + 1) * 100 + self.county % COUNTIES + 1
        prefecture = -1 - self.county
        return 880000 + (prefecture + 1) * 100 if prefecture < len(PREFECTURES) else 880000


@dataclass(frozen=True)
class Operator:
    """A body that runs homes: its credit code and name, and who it is among the organizations, if any."""

    code: str
    name: str
    county: int
    truth: str | None


def place_of(county: int) -> str:
    """The place that stands before a name: a county with its prefecture left out, a city, or the province."""
    if county >= 0:
        return county_name(county)
    prefecture = -1 - county
    return f"{PREFECTURES[prefecture]}市" if prefecture < len(PREFECTURES) else PROVINCE[1]


def deliver_organizations(
    folder: Path, book: Book, noted: Noted, world: World, given: tuple[list[Township], CreditCodes]
) -> tuple[Made, list[Operator]]:
    """Write the three sources and tell their truth; gives also those that may run a home for the elderly."""
    townships, codes = given
    chairs = Chairs(noted.rng, world)
    made = _organizations(noted.rng, codes, chairs, len(world.people))
    made += _branches(noted.rng, made, chairs)
    _change(noted.rng, made, chairs)
    files = _register(folder, book, noted, world, made)
    files += _charity(folder, book, noted, world, made)
    files += _credit(folder, book, noted, world, (made, _cooperatives(noted.rng, townships, codes, chairs)))
    book.relate(
        "branch_of", ("organization", "organization"), [(one.truth, one.parent, None) for one in made if one.parent]
    )
    book.state("organization", {one.truth: ENDS.get(one.status[-1], "active") for one in made})
    homes = [one for one in made if one.code and one.kind == UNIT and one.name.endswith(("养老服务中心", "养老院"))]
    running = [one for one in homes if one.status[-1] == "正常"]
    return files, [Operator(one.code or "", one.name, one.county, one.truth) for one in running]


def _names(rng: np.random.Generator, count: int) -> list[tuple[str, int, str]]:
    """Different names with their kind and county: the same line and form at county and city level on purpose."""
    lines, own, found, taken = LINES.split(), OWN.split(), list[tuple[str, int, str]](), set[str]()
    counties = len(PREFECTURES) * COUNTIES
    while len(found) < count:
        kind = str(rng.choice([GROUP, UNIT, FOUNDATION], p=[0.42, 0.565, 0.015]))
        level = rng.random()
        county = int(rng.integers(counties)) if level < 0.75 else -1 - int(rng.integers(len(PREFECTURES)))
        county = county if level < 0.95 and kind != FOUNDATION else -1 - len(PREFECTURES)
        place = place_of(county)
        if kind == GROUP:
            core = lines[int(rng.integers(len(lines)))] + FORMS[int(rng.integers(len(FORMS)))]
            twin = place_of(-1 - county // COUNTIES) + core if county >= 0 and rng.random() < 0.06 else place + core
            names = [place + core, twin]
        else:
            mark = own[int(rng.integers(len(own)))]
            if rng.random() < 0.4 or len(taken) > 2000:
                mark += "同心益民和乐安康德善"[int(rng.integers(10))] + "源泰达欣宁佳悦华"[int(rng.integers(8))]
            if kind == UNIT:
                line, form = UNITS[int(rng.integers(len(UNITS)))]
                names = [place + mark + ("" if form.startswith("养老") else line) + form]
            else:
                names = [f"{place}{mark}{CAUSES[int(rng.integers(len(CAUSES)))]}基金会"]
            if rng.random() < BRACKETED:
                names = [f"{names[0]}（{township_name(int(rng.integers(80)))}）"]
        for i, name in enumerate(dict.fromkeys(names)):
            if name not in taken:
                taken.add(name)
                found.append((kind, county if i == 0 else -1 - county // COUNTIES, name))
    return found[:count]


def _organizations(rng: np.random.Generator, codes: CreditCodes, chairs: Chairs, people: int) -> list[Organization]:
    count = max(24, round(people * PER_PERSON))
    keys = rng.permutation(count * 3)
    found = []
    for i, (kind, county, name) in enumerate(_names(rng, count)):
        year = int(rng.integers(1992, 2025))
        at = county if county >= 0 else (-1 - county) % len(PREFECTURES) * COUNTIES + int(rng.integers(COUNTIES))
        home = (at, int(rng.integers(TOWNSHIPS)))
        one = Organization(
            truth=f"o{i}",
            key=f"SO{keys[i]:07}",
            kind=kind,
            county=county,
            name=name,
            former_name=None,
            renamed=0,
            code=None,
            former_code=f"沧{'社' if kind == GROUP else '民'}证字第{int(keys[i]):06}号" if year < 2016 else None,
            registrar=[f"{place_of(county)}民政{'厅' if county == -1 - len(PREFECTURES) else '局'}"] * len(DELIVERIES),
            supervisor=[place_of(county) + SUPERVISORS[int(rng.integers(len(SUPERVISORS)))]] * len(DELIVERIES),
            representatives=[chairs.take(at)] * len(DELIVERIES),
            phone=f"154{int(rng.integers(10**8)):08}",
            address=_address(home, int(rng.integers(200, 900))),
            founded=f"{year}-{int(rng.integers(1, 13)):02}-{int(rng.integers(1, 29)):02}",
            home=home,
        )
        one.code = codes.give(kind, one.area, year)
        one.written = [f"{max(year + 1, 2018 + i % 7)}-{1 + i % 11:02}-{1 + i % 28:02}"] * len(DELIVERIES)
        found.append(one)
    return found


def _address(home: tuple[int, int], door: int) -> str:
    county, township = home
    prefecture = f"{PROVINCE[1]}{PREFECTURES[county // COUNTIES]}市"
    return f"{prefecture}{county_name(county)}{township_name(county * 7 + township)}人民路{door}号"


def _branches(rng: np.random.Generator, parents: list[Organization], chairs: Chairs) -> list[Organization]:
    """Branches of some groups: registered with them, without a code."""
    groups = [one for one in parents if one.kind == GROUP]
    found: list[Organization] = []
    for i, at in enumerate(rng.permutation(len(groups))[: max(3, round(BRANCHES * len(parents)))].tolist()):
        parent = groups[at]
        line = BRANCH_LINES[int(rng.integers(len(BRANCH_LINES)))]
        name = parent.name + BRANCH_ENDS[int(rng.integers(len(BRANCH_ENDS)))].format(line)
        one = Organization(
            truth=f"{parent.truth}b{i}",
            key=f"SB{i:07}",
            kind=parent.kind,
            county=parent.county,
            name=name,
            former_name=None,
            renamed=0,
            code=None,
            former_code=None,
            registrar=list(parent.registrar),
            supervisor=list(parent.supervisor),
            representatives=[parent.representatives[0] if rng.random() < 0.3 else chairs.take(parent.home[0])] * 3,
            phone=parent.phone if rng.random() < 0.5 else f"154{int(rng.integers(10**8)):08}",
            address=parent.address if rng.random() < 0.7 else _address(parent.home, int(rng.integers(200, 900))),
            founded=f"{min(int(parent.founded[:4]) + 2, 2025)}{parent.founded[4:]}",
            parent=parent.truth,
            home=parent.home,
        )
        one.written = [max(one.founded, day) for day in parent.written]
        found.append(one)
    return found


def _change(rng: np.random.Generator, made: list[Organization], chairs: Chairs) -> None:
    """Renames (before the first delivery or between two), registrars, representatives and ends."""
    whole = [one for one in made if one.parent is None]
    for kind, share in (
        ("renamed", RENAMED),
        ("renamed_now", RENAMED_NOW),
        ("uncoupled", UNCOUPLED),
        ("replaced", REPLACED),
        ("ended", ENDED),
    ):
        for n, i in enumerate(rng.permutation(len(whole))[: max(2, round(share * len(whole)))].tolist()):
            one, at = whole[i], 1 + n % 2
            day = str(rng.choice(INTERVALS[at - 1]))
            if kind.startswith("renamed") and one.former_name is None:
                one.former_name = _other_name(rng, one)
                one.renamed = at if kind == "renamed_now" else 0
            elif kind == "uncoupled":
                for k in range(at, len(DELIVERIES)):
                    one.supervisor[k] = FREE
                    if n % 3 == 0:
                        one.registrar[k] = f"{place_of(one.county)}行政审批服务局"
            elif kind == "replaced":
                for k in range(at, len(DELIVERIES)):
                    one.representatives[k] = chairs.take(one.home[0])
            elif kind == "ended":
                if n % 2 and one.founded < "2020":
                    at, day = 0, f"20{21 + n % 4}-{1 + n % 12:02}-18"
                for k in range(at, len(DELIVERIES)):
                    one.status[k] = "撤销" if n % 7 == 3 else "吊销" if n % 11 == 5 else "注销"
                    one.status_day[k] = day
            if kind != "renamed":
                for k in range(at, len(DELIVERIES)):
                    one.written[k] = max(day, one.written[k])


def _other_name(rng: np.random.Generator, one: Organization) -> str:
    """The name before: another form, or another line in front of the form."""
    place = place_of(one.county)
    if one.kind == GROUP:
        lines = LINES.split()
        form = next((form for form in reversed(FORMS) if one.name.endswith(form)), "协会")
        core = one.name.removeprefix(place).removesuffix(form)
        if rng.random() < 0.5:
            return place + core + FORMS[(FORMS.index(form) + 1) % len(FORMS)]
        return place + lines[(lines.index(core) + 1) % len(lines) if core in lines else 0] + form
    own = OWN.split()
    core = one.name.removeprefix(place)
    mark = next((mark for mark in own if core.startswith(mark)), "")
    return place + own[(own.index(mark) + 1) % len(own) if mark else 0] + core.removeprefix(mark)


@dataclass(frozen=True)
class _Said:
    """What a source writes for name and code of an organization, per delivery, with errors."""

    names: list[str]
    code: str | None


def _said(noted: Noted, source: str, key: str, one: Organization) -> _Said:
    """Draw the errors of name and code of a row."""
    names = [one.name_in(i) for i in range(len(DELIVERIES))]
    if source != REGISTRY and one.former_name and noted.draw("organization_name_old", source):
        noted.note("organization_name_old", source, key)
        names = [one.former_name] * len(DELIVERIES)
    elif source != REGISTRY and noted.hit("organization_name_short", source, key):
        names = [_short(name, place_of(one.county)) for name in names]
    if "（" in one.name and noted.hit("organization_name_brackets", source, key):
        names = [name.replace("（", "(").replace("）", ")") for name in names]
    code = one.code
    if code:
        if noted.hit("organization_code_missing", source, key):
            code = None
        elif noted.hit("organization_code_failing", source, key):
            code = mistyped_code(noted.rng, code)
        elif one.founded < "2015" and noted.hit("organization_code_old", source, key):
            code = f"{code[8:16]}-{code[16]}" if noted.rng.random() < 0.5 else code[8:17]
    return _Said(names, code)


def _short(name: str, place: str) -> str:
    """The name without its place, or with the place and the form cut short."""
    for long, short in (("养老服务中心", "养老中心"), ("服务中心", "中心"), ("促进会", "促会"), ("研究会", "研会")):
        if long in name:
            return name.replace(long, short)
    return name.removeprefix(place)


def _row_truth(noted: Noted, source: str, key: str, one: Organization, world: World) -> Row:
    return {
        "source": source,
        "source_key": key,
        "truth": one.truth,
        "error": noted.error(source, key),
        "true_name": one.name,
        "true_former_name": one.former_name,
        "true_credit_code": one.code,
        "true_type": TYPES.get(one.kind),
        "true_representative_name": world.names[one.representatives[-1]],
        "true_phone": one.phone or None,
        "true_division": str(one.area),
        "true_address": one.address,
        "true_founded": one.founded,
        "true_registrar": one.registrar[-1] or None,
        "true_supervisor": one.supervisor[-1] or None,
        "true_status": one.status[-1],
        "true_status_date": one.status_day[-1],
    }


def _register(folder: Path, book: Book, noted: Noted, world: World, made: list[Organization]) -> Made:
    versions: list[Sequence[Row | None]] = []
    truths, represented = list[Row](), list[tuple[str, str, str | None]]()
    for one in made:
        said = _said(noted, REGISTRY, one.key, one)
        no_id = noted.hit("organization_representative_missing", REGISTRY, one.key)
        wrong = not no_id and noted.hit("organization_representative_failing", REGISTRY, one.key)
        no_phone = noted.hit("organization_phone_missing", REGISTRY, one.key)
        ids = {p: world.people.citizen_id[p] for p in dict.fromkeys(one.representatives)}
        if wrong:
            ids = {p: mistyped(noted.rng, number) for p, number in ids.items()}
        if not (no_id or wrong):
            represented += _represented(one, world)
        three: list[Row | None] = []
        for i in range(len(DELIVERIES)):
            person = one.representatives[i]
            three.append(
                {
                    "登记档案号": one.key,
                    "组织名称": said.names[i],
                    "原名称": one.former_name if i >= one.renamed else None,
                    "统一社会信用代码": said.code,
                    "原登记证号": one.former_code,
                    "社会组织类型": TYPES[one.kind],
                    "登记管理机关": one.registrar[i],
                    "业务主管单位": one.supervisor[i],
                    "法定代表人": world.names[person],
                    "法定代表人证件号": None if no_id else ids[person],
                    "联系电话": None if no_phone else one.phone,
                    "登记地区划": str(one.area),
                    "住所": one.address,
                    "成立日期": one.founded,
                    "登记状态": one.status[i],
                    "状态日期": one.status_day[i],
                    "变更日期": one.written[i],
                }
            )
        versions.append(three)
        truths.append(_row_truth(noted, REGISTRY, one.key, one, world))
    book.tell("organization", truth_rows(truths))
    book.relate("represented_by", ("organization", "person"), represented)
    for kind, told in (("registered_with", "registrar"), ("supervised_by", "supervisor")):
        named = [(one.truth, getattr(one, told)[-1], None) for one in made]
        book.relate(kind, ("organization", NAMED), [pair for pair in named if pair[1] not in ("", FREE)])
    return deliver_rows(folder, Writing(REGISTRY, "登记档案号", False, "xlsx"), versions, "变更日期")


def _represented(one: Organization, world: World) -> list[tuple[str, str, str | None]]:
    """Who represents it, and who did until a day between deliveries; the dissolved have nobody after that day."""
    first, last = one.representatives[0], one.representatives[-1]
    ended = one.status_day[-1]
    found: list[tuple[str, str, str | None]] = [(one.truth, f"p{last}", ended)]
    if first != last:
        found.append((one.truth, f"p{first}", one.written[one.representatives.index(last)]))
    return found


def _chosen(rng: np.random.Generator, made: list[Organization], share: float) -> list[Organization]:
    whole = [one for one in made if one.parent is None]
    picked = rng.permutation(len(whole))[: max(2, round(share * len(whole)))]
    return [whole[i] for i in sorted(picked.tolist())]


def _charity(folder: Path, book: Book, noted: Noted, world: World, made: list[Organization]) -> Made:
    """Some organizations, most of them once; changes arrive late: a row is written in one delivery and left."""
    rng = noted.rng
    versions: list[Sequence[Row | None]] = []
    truths = []
    for n, one in enumerate(_chosen(rng, made, IN_CHARITY)):
        key = f"CY{n:06}"
        said, late = _said(noted, CHARITY, key, one), int(rng.random() < 0.05)
        person = one.representatives[0 if rng.random() < 0.5 else -1]
        if noted.hit("organization_representative_old", CHARITY, key):
            person = int(rng.integers(len(world.people)))
        no_name = noted.hit("organization_representative_missing", CHARITY, key)
        no_phone = noted.hit("organization_phone_missing", CHARITY, key)
        moved = noted.hit("organization_address_old", CHARITY, key)
        rows: list[Row | None] = [None] * late
        for i in range(late, len(DELIVERIES)):
            rows.append(
                {
                    "慈善组织编号": key,
                    "慈善组织名称": said.names[i],
                    "组织代码": said.code,
                    "组织形式": TYPES[one.kind],
                    "负责人": None if no_name else world.names[person],
                    "电话": None if no_phone else one.phone,
                    "所在区划": str(one.area),
                    "办公地址": _address(one.home, 1 + n % 90) if moved else one.address,
                    "登记日期": one.founded,
                    "更新日期": one.written[i] if i else f"{2021 + n % 4}-{1 + n % 12:02}-08",
                }
            )
        versions.append(rows)
        truths.append(_row_truth(noted, CHARITY, key, one, world))
    book.tell("organization", truth_rows(truths))
    return deliver_rows(folder, Writing(CHARITY, "慈善组织编号", False, "txt"), versions, "更新日期")


def _credit(
    folder: Path, book: Book, noted: Noted, world: World, held: tuple[list[Organization], list[Organization]]
) -> Made:
    """The whole list each time: organizations, and cooperatives of villages."""
    made, cooperatives = held
    rng = noted.rng
    versions: list[Sequence[Row | None]] = []
    truths = []
    for n, one in enumerate([*_chosen(rng, made, IN_CREDIT), *cooperatives]):
        key = f"CP{n:07}"
        said = _said(noted, CREDIT, key, one)
        person = one.representatives[0]
        if noted.hit("organization_representative_old", CREDIT, key):
            person = int(rng.integers(len(world.people)))
            people = [person] * len(DELIVERIES)
        else:
            people = one.representatives
        moved = noted.hit("organization_address_old", CREDIT, key)
        ended = one.status[-1] != "正常"
        stale = ended and noted.hit("organization_status_old", CREDIT, key)
        rows: list[Row | None] = []
        for i in range(len(DELIVERIES)):
            status = "存续" if stale or one.status[i] == "正常" else one.status[i]
            rows.append(
                {
                    "主体编号": key,
                    "主体名称": said.names[i],
                    "主体代码": said.code,
                    "法定代表人姓名": world.names[people[i]],
                    "区划代码": str(one.area),
                    "注册地址": _address(one.home, 1 + n % 90) if moved else one.address,
                    "存续状态": status,
                    "状态更新日期": None if stale else one.status_day[i],
                    "归集日期": one.written[i],
                }
            )
        versions.append(rows)
        truths.append(_row_truth(noted, CREDIT, key, one, world))
    book.tell("organization", truth_rows(truths))
    book.state("organization", dict.fromkeys((one.truth for one in cooperatives), "active"))
    return deliver_rows(folder, Writing(CREDIT, "主体编号", True, "parquet"), versions, "归集日期")


def _cooperatives(
    rng: np.random.Generator, townships: list[Township], codes: CreditCodes, chairs: Chairs
) -> list[Organization]:
    """Cooperatives of some villages: the village's name, an N2 code, often at the committee's door."""
    villages = [(one, township) for township in townships for one in township.committees if not one.residents]
    found = []
    for n, i in enumerate(rng.permutation(len(villages))[: max(3, round(COOPERATIVES * len(villages)))].tolist()):
        village, township = villages[i]
        core = village.core.removesuffix("村") + "村"
        end = ("经济合作社", "股份经济合作社", "经济联合社")[int(rng.integers(3))]
        home = (township.county, 0)
        address = _address(home, 1).partition("人民路")[0].partition("县")[0]
        one = Organization(
            truth=f"n{village.truth}",
            key="",
            kind="N2",
            county=township.county,
            name=f"{county_name(township.county)}{township.name}{core}{end}",
            former_name=None,
            renamed=0,
            code=codes.give("N2", township.code // 1000, 2019),
            former_code=None,
            registrar=[""] * len(DELIVERIES),
            supervisor=[""] * len(DELIVERIES),
            representatives=[chairs.take(township.county)] * len(DELIVERIES),
            phone="",
            address=f"{address}县{township.name}{core}1号",
            founded=f"{2018 + n % 6}-0{1 + n % 9}-10",
            home=home,
        )
        found.append(one)
    return found
