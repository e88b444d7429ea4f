"""The rules of one workspace as frozen objects: parsed once at the edge, trusted afterwards.

`loader.load_rules(folder)` reads `<entity>/entity.toml`, `sources.toml`, `cases.toml` and `weights.json`
of every entity folder and gives one `Rules`. Nothing here knows an entity by name.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$", max_length=40)]
State = Literal["confirmed", "agreed", "single_source", "disputed", "invalid", "stale"]
Preference = Literal["authority", "validity", "agreement", "majority", "recency", "completeness"]


class Strict(BaseModel):
    """Frozen, and a key that nobody reads is an error, not a comment."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Title(Strict):
    """What people call it, in both languages."""

    zh: str
    """中文 · in Chinese"""
    en: str
    """英文 · in English"""


class FieldRule(Strict):
    """One field of an entity type."""

    kind: Name
    """值类型 · its [value kind](rules.md#value-kinds)"""
    title: Title
    """名称 · what people call it"""
    options: dict[str, Any] = {}
    """值类型选项 · options of the kind"""
    identifier: bool = False
    """标识字段 · `find` looks its values up, those of every record"""
    history: bool = False
    """保留历史 · the golden record keeps each value with the days on which it held, not only the current one"""
    alias_of: Name | None = None
    """曾用值所属列 · an exclusive column: a value here (a former number) licenses a second value of it in one
    cluster"""
    golden: bool = True
    """发布 · false: used for matching only, never published"""
    public: bool = False
    """公开 · true: no personal data, shown without a mask"""


class CheckRule(Strict):
    """A cross-field check of records, in SQL over `standard`."""

    rule: Name
    """问题名 · the name of the finding"""
    when: str
    """条件 · SQL over the columns of a record; where it holds, the record has the finding"""
    field: Name | None = None
    """存疑字段 · the field whose value is in doubt: it loses by `validity` against values without a finding"""
    among: str | None = None
    """比较范围 · a column: the check looks only at records with the same value there, so that few are looked at when
    few change"""
    severity: Literal["info", "warn", "error"] = "warn"
    """严重程度 · `error` quarantines the record: it stays landed and is reported, but takes no part in linking"""
    title: Title
    """名称 · what people read"""


class GoldenCheckRule(Strict):
    """A check over golden records, in SQL over the tables of a plan."""

    rule: Name
    """问题名 · the name of the finding"""
    title: Title
    """名称 · what people read"""
    severity: Literal["info", "warn", "error"] = "warn"
    """严重程度 · a word to people; nothing is quarantined or refused, a steward decides"""
    sql: str
    """查询 · a SELECT over the tables of a plan that gives `record_id` and, if there is more to say, `detail` (golden
    ids, no values of people)"""


class BlockingRule(Strict):
    """Records equal in every key are candidate pairs."""

    keys: tuple[str, ...] = ()
    """分块键 · SQL expressions over the columns of a record; records equal in all of them are a candidate pair, and
    null blocks nothing"""
    each: str | None = None
    """逐项分块 · SQL that gives a list: the record stands in one block for each of its elements (and the keys)"""
    cap: int | None = Field(default=None, ge=2)
    """块上限 · blocks that held more records than this when frequencies were frozen are skipped: a hub value"""


class LevelRule(Strict):
    """A comparison level written out: of a comparison's levels the first that holds counts."""

    label: str
    """级别名 · its name"""
    when: str
    """条件 · SQL over `_l` / `_r` columns, the same for both orders of the pair"""
    term_frequency: str | None = None
    """词频列 · the column, without `_l`, whose frequencies adjust the weight"""


class ComparisonRule(Strict):
    """One comparison of the Fellegi-Sunter model: levels of a field's kind, or `own` ones over any columns."""

    name: Name
    """比较名 · its name, in `weights.json` and in `gamma_<name>`"""
    field: Name | None = None
    """字段 · take the levels of this field's kind"""
    levels: tuple[str, ...] = ()
    """所取级别 · some of the kind's levels, by label; by default all"""
    term_frequency: bool = True
    """词频调整 · agreement on a rare value weighs more"""
    null: str | None = None
    """不作比较的条件 · with `own`: the condition under which the two records say nothing here"""
    own: tuple[LevelRule, ...] = ()
    """自定级别 · levels of your own in place of `field`, the most similar first; `else` follows by itself"""
    least_m: float = Field(default=0.0001, gt=0, lt=1)
    """m 的下限 · the least share of matches that a level may be given by `train`: what the records never showed still
    happens (a spouse by another name)"""


class GuardRule(Strict):
    """Pairs that are never accepted by weight alone."""

    label: str
    """缘由 · why, for readers"""
    when: str
    """条件 · SQL over `_l` / `_r` columns and `gamma_<comparison>`"""
    effect: Literal["review", "reject"]
    """效果 · `review`: the pair waits for a steward; `reject`: it is dropped"""


class ExclusiveRule(Strict):
    """A `standard` column of which one cluster may hold at most one distinct non-null value."""

    slot: Name
    """名称 · a name for it, shown to stewards"""
    column: str
    """互斥列 · a column of `standard`; two different values of it never come into one cluster, unless a `same` decision
    or an `alias_of` field joins them"""


class Matching(Strict):
    """Thresholds are match weights: base-2 logarithms of odds, the prior included, so that 8 means 256 to 1."""

    accept: float
    """接受阈值 · from this weight on a pair is accepted"""
    review: float
    """复核阈值 · from this weight on it waits for a steward"""
    pairs_per_record: float = Field(gt=0)
    """每条记录的真对数 · how many true pairs there are for each record, roughly; gives the prior"""
    budget: float = Field(gt=0)
    """候选对预算 · how many candidate pairs per record blocking may make before `link` refuses"""


class Training(Strict):
    """How m and u are estimated."""

    seed: int = 1
    """随机种子 · of the sampling"""
    u_pairs: float = 2e6
    """抽样对数 · random pairs from which u is estimated where a level is no equality (those are counted exactly)"""
    em: tuple[tuple[str, ...], ...]
    """EM 轮次 · passes that estimate m, each a list of blocking keys; a comparison learns only from passes whose keys
    do not read its field, so every comparison needs one"""


class Survivorship(Strict):
    """Which value wins: preferences in order, by default and by field; fields that move together."""

    default: tuple[Preference, ...] = ("authority", "validity", "agreement", "recency", "completeness")
    """默认次序 · the preferences for every field"""
    fields: dict[Name, tuple[Preference, ...]] = {}
    """按字段的次序 · field = its own preferences"""
    groups: tuple[tuple[Name, ...], ...] = ()
    """同进退的字段 · lists of fields whose values come from one record"""


class Verification(Strict):
    """When a golden value counts as backed."""

    quorum: dict[Name, Annotated[int, Field(ge=1)]] = {}
    """所需独立来源数 · field = how many independent voices, the lead source among them, make its value `confirmed` or
    `agreed`; default 2"""
    ignore: tuple[Name, ...] = ()
    """不判状态的字段 · fields whose values get no state"""


class SuccessionRule(Strict):
    """A dated relation from a golden record that began to the one that it succeeds."""

    type: Name
    """关系类型 · the type of the relation, from the later to the earlier golden record"""
    title: Title
    """名称 · what people call it"""
    earlier: str
    """前者条件 · SQL over golden columns: which ones can be succeeded"""
    later: str
    """后者条件 · SQL over golden columns: which ones can succeed"""
    same: tuple[str, ...]
    """相同列 · columns of `standard` in which their records agree, at the end of the one and the beginning of the
    other"""
    within_days: int = 800
    """最长间隔 · the longest gap, in days"""


class RelationRule(Strict):
    """A dated relation from golden records of this entity type to others, by a field, a party, or keys."""

    type: Name
    """关系类型 · what it is called"""
    title: Title
    """名称 · what people call it"""
    field: Name | None = None
    """引用字段 · a `reference` or `members` field: to the golden records that it names"""
    party: Name | None = None
    """对方字段 · a `public` field: to whom it names, who is no golden record, such as the authority that registers"""
    keys: tuple[str, ...] = ()
    """连接键 · within the entity type: SQL in which the record of the one end equals `to_keys` of the other"""
    to_keys: tuple[str, ...] = ()
    """对端连接键 · SQL over the record of the other end; by default `keys` again"""
    when: str = "true"
    """条件 · SQL: which records say so"""
    to_when: str = "true"
    """对端条件 · SQL: which records may be the other end"""
    since: str | None = None
    """起始日 · SQL that gives a date; by default the record's day"""
    acyclic: bool = False
    """不得成环 · true: relations that run in a circle (a parent of one's own parent) are findings
    (`relation_circle`)"""


class EventRule(Strict):
    """Something that moves an entity from one state to another."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    event: Name
    """事件名 · what it is called"""
    title: Title
    """名称 · what people call it"""
    when: str | None = None
    """条件 · SQL: the record tells of it"""
    relation: Name | None = None
    """关系 · or: a relation of this type ends at the entity, on the day on which it begins"""
    on: str = "observed_on"
    """日期 · SQL: its day"""
    from_: tuple[Name, ...] = Field(alias="from")
    """起始状态 · the states in which it may happen; elsewhere it moves nothing and is a finding
    (`illegal_transition`)"""
    to: Name
    """结果状态 · the state that it leads to; where that holds already, the record is another witness"""


class Lifecycle(Strict):
    """The states of an entity type, the first of them the one it begins in, and the legal transitions."""

    states: dict[Name, Title]
    """状态 · name = title; the first one is the state in which an entity begins"""
    events: tuple[EventRule, ...]
    """事件 · what leads from one state to another"""

    @property
    def initial(self) -> str:
        return next(iter(self.states))


class Limits(Strict):
    """A plan above one of these shares of current golden records (when over 100 exist) is refused."""

    merged: float = 0.05
    """合并上限 · ids that end in another"""
    split: float = 0.02
    """拆分上限 · ids whose records go to several"""
    retired: float = 0.05
    """注销上限 · ids that lose all their records"""
    shared: dict[Name, Annotated[int, Field(ge=1)]] = {}
    """同值上限 · field = n: more than n records of one source with one value of the field stop `link` and every plan,
    however many golden records there are; the sentence names source and value (masked)"""

    @property
    def shares(self) -> dict[str, float]:
        """The limits of shares, by the kind of event."""
        return {"merged": self.merged, "split": self.split, "retired": self.retired}


class Entity(Strict):
    """`entity.toml`: everything the engine needs to know of one entity type."""

    entity: Name
    """实体类型 · its name, the same as the folder's"""
    prefix: Annotated[str, Field(pattern=r"^[A-Z]{1,3}$")]
    """编码前缀 · one to three capital letters with which its golden ids begin; unique, and for ever"""
    title: Title
    """名称 · what people call it"""
    fields: dict[Name, FieldRule]
    """字段 · its fields"""
    derive: dict[Name, str] = {}
    """派生列 · column = SQL over the columns of a record; a later one may use an earlier one"""
    region: str | None = None
    """所在区划 · SQL over the columns of a record: the code of the region it is in, which begins with that of the
    region around it; needed where the authority matrix has [`regions`](sources.md#how-authority-works)"""
    checks: tuple[CheckRule, ...] = ()
    """记录检查 · conditions that make a finding"""
    golden_checks: tuple[GoldenCheckRule, ...] = ()
    """主数据检查 · [checks](rules.md#golden_checks) that need to know who is one entity"""
    exclusive: tuple[ExclusiveRule, ...] = ()
    """互斥 · columns of which a cluster holds one value"""
    blocking: tuple[BlockingRule, ...]
    """分块 · which pairs are compared"""
    comparisons: tuple[ComparisonRule, ...]
    """比较 · how pairs are weighed"""
    guards: tuple[GuardRule, ...] = ()
    """防线 · pairs that weight alone never unites"""
    matching: Matching
    """匹配 · thresholds and budget"""
    training: Training
    """训练 · how weights are estimated"""
    survivorship: Survivorship = Survivorship()
    """取值 · which value wins"""
    verification: Verification = Verification()
    """核验 · [when a value counts as backed](rules.md#verification)"""
    succession: tuple[SuccessionRule, ...] = ()
    """承继 · dated relations between golden records"""
    relations: tuple[RelationRule, ...] = ()
    """关系 · [relations](rules.md#relations) to golden records of this or another entity type"""
    lifecycle: Lifecycle | None = None
    """生命周期 · [states](rules.md#lifecycle) and the legal transitions between them"""
    limits: Limits = Limits()
    """限额 · how surprising a plan may be"""


class DeleteMark(Strict):
    """How a delta delivery says that a row is withdrawn."""

    column: str
    """标记列 · the column that says what became of the row"""
    values: tuple[str, ...]
    """标记值 · the texts in it that mean: withdrawn"""


class Refers(Strict):
    """What the keys in a reference field are: source keys of `source`, or values of the identifier `field`."""

    source: Name | None = None
    """来源 · the column holds source keys of this source of the other entity type"""
    field: Name | None = None
    """标识字段 · or values of this identifier field of it"""

    @property
    def prefix(self) -> str:
        return f"{self.source}/" if self.source else f"#{self.field}/"


class Grouped(Strict):
    """A source made of another entity type's records: one record for all that share a value."""

    entity: Name
    """实体类型 · the other entity type, whose current records are grouped"""
    source: Name
    """来源 · whose records of it"""
    by: str
    """分组键 · SQL over their fields as delivered: the source key"""
    where: str = "true"
    """条件 · SQL: which of them"""
    fields: dict[Name, str]
    """字段 · field = SQL aggregate over the group"""


class Source(Strict):
    """One source system as it delivers one entity type."""

    title: Title
    """名称 · what people call it"""
    owner: str
    """责任部门 · the department that answers for it, and to [tickets](tickets.md) about it"""
    line: Title | None = None
    """业务条线 · the line of business that it belongs to; by default other departments'"""
    files: tuple[str, ...] = ()
    """文件名 · patterns of file names that belong to it when a folder is loaded; without one, `load --source` names
    it"""
    key: tuple[str, ...] = ()
    """主键列 · the column or columns that identify a row; several are joined with `-`; required, but for `grouped`"""
    columns: dict[Name, str] = {}
    """列映射 · field = column heading; fields that it does not deliver are left out"""
    optional: tuple[Name, ...] = ()
    """可缺列的字段 · fields whose column a delivery may lack, such as older files: they are empty then"""
    refers: dict[Name, Refers] = {}
    """引用 · reference field = [what its keys are](sources.md#refers)"""
    grouped: Grouped | None = None
    """分组来源 · [made of another entity type's records](sources.md#grouped), no files; `key`, `columns` and `delivery`
    fall away"""
    delivery: Literal["snapshot", "delta"] = "delta"
    """交付方式 · a snapshot lists everything (what is absent is withdrawn); a delta lists what changed"""
    deleted: DeleteMark | None = None
    """撤销标记 · how a delta marks a withdrawal"""
    observed_on: str | None = None
    """日期列 · the column with the day (or year) of which the row speaks; without one the day of the file"""
    duplicate_free: bool | tuple[str, ...] = False
    """无重复 · true: no two of its records are one entity; a list of columns: no two that are equal in these are (a
    yearly list within its year)"""
    period: Literal["year"] | None = None
    """周期 · each value of `observed_on` is a complete list of that period; what the next one lacks has ended"""
    derived_from: Name | None = None
    """抄自 · the source it copies from: a copy is no second voice"""
    capture: Literal["chip", "ocr", "typed", "system"] = "typed"
    """采集方式 · how values came in; `shuyuan authority` prints it"""
    provenance_class: Literal["collected", "shared", "purchased"] = "collected"
    """数据性质 · purchased data stand behind all others"""
    cycle_days: int | None = None
    """更新周期 · how often it is renewed, in days: when its last delivery is older than that, it disputes nothing and
    what it alone says is [stale](golden_records.md#verified-by-several)"""
    legal_basis: str | None = None
    """法律依据 · on what ground it may be used; kept for readers, nothing is computed from it"""
    sees: tuple[Name, ...] | None = None
    """可见字段 · fields whose values its owner may see on a [return sheet](tickets.md#sheets), of others only that they
    differ; by default those that it delivers"""

    @property
    def visible(self) -> frozenset[str]:
        """The fields whose values its owner may see on a return sheet."""
        delivered = self.grouped.fields if self.grouped else self.columns
        return frozenset(delivered if self.sees is None else self.sees)


class Authority(Strict):
    """One row of the dated authority matrix: who leads for some fields, and who stands behind."""

    fields: tuple[Name, ...]
    """字段 · the fields that this row is about"""
    order: Annotated[tuple[Name, ...], Field(min_length=1)]
    """次序 · the sources, the lead first"""
    regions: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """区划 · beginnings of division codes: the row is for golden records in these regions only; by default
    everywhere"""
    since: date | None = None
    """起 · the first day on which the row holds; by default always"""
    until: date | None = None
    """止 · the day from which it holds no longer; by default for ever"""
    basis: str | None = None
    """依据 · the rule or law behind it; kept for readers"""


class Owner(Strict):
    """A department that owns sources, or is above those that do: the name of the one above it."""

    superior: str
    """上级部门 · the department above"""


class Sources(Strict):
    """`sources.toml`: the source systems of an entity type, and who leads for what."""

    sources: dict[Name, Source]
    """来源 · the sources by name; a name is lower-case letters, digits and `_` and stays for ever: crosswalk, decisions
    and landed files hold it"""
    authority: tuple[Authority, ...] = ()
    """权威矩阵 · the authority matrix, row by row"""
    owners: dict[str, Owner] = {}
    """部门 · who stands over whom"""


class Case(Strict):
    """`cases.toml`: two records (field -> raw text) and what must become of the pair."""

    name: str
    """案例名 · its name, unique in the file"""
    expect: Literal["match", "review", "no_match", "not_merged"]
    """预期 · `not_merged` is either of `review` and `no_match`"""
    left: dict[Name, str]
    """左记录 · field = raw text"""
    right: dict[Name, str]
    """右记录 · the other record"""
    why: str = ""
    """说明 · what a reader should know"""


class EntityRules(Strict):
    """One entity folder: rules, sources, cases and the trained weights (Splink's JSON, None if untrained)."""

    folder: Path
    entity: Entity
    sources: Sources
    cases: tuple[Case, ...] = ()
    weights: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        return self.entity.entity

    @property
    def needs(self) -> frozenset[str]:
        """The other entity types whose clusters or records this one is made of."""
        options = (f.options.get("entity") for f in self.entity.fields.values() if not f.options.get("late"))
        grouped = (source.grouped.entity for source in self.sources.sources.values() if source.grouped)
        return frozenset(str(name) for name in (*options, *grouped) if name)


class Question(Strict):
    """One question of a form, answered by a golden value or by golden records at the end of relations."""

    ask: Title
    """问题 · the words on the form"""
    field: Name | None = None
    """字段 · a golden field of the entity type that answers it"""
    path: tuple[str, ...] = ()
    """路径 · or: relations to walk to other golden records, each `[entity.]type`; with `~` before it against its
    direction, with `*` in either one"""
    show: tuple[Name, ...] = ()
    """所示字段 · with `path`: the fields of the golden records at its end"""
    enough: Annotated[tuple[State, ...], Field(min_length=1)] = ("confirmed",)
    """免填状态 · the [states](golden_records.md#verified-by-several) in which a held value need not be asked again; of
    a relation one source tells, so that it is `single_source`"""
    fresh_days: int | None = Field(default=None, ge=0)
    """有效天数 · a record said so no longer ago than this, or it is asked again"""

    @property
    def element(self) -> str:
        """What is asked for, as rules name it: a field, or a path and the fields at its end."""
        return self.field or f"{' '.join(self.path)}: {', '.join(self.show)}"


class Form(Strict):
    """`forms/<form>.toml`: what a form asks about one entity."""

    form: Name
    """表单 · its name, the same as the file's"""
    entity: Name
    """对象 · whom it is about"""
    title: Title
    """名称 · what people call it"""
    basis: str | None = None
    """依据 · the law or notice behind it"""
    questions: Annotated[tuple[Question, ...], Field(min_length=1)]
    """问题 · what it asks"""


class WatchHeader(Strict):
    """The comment lines at the top of `watch/<name>.sql`."""

    name: Name
    """线索名 · the same as the file's"""
    zh: str
    """中文名 · the title in Chinese"""
    en: str
    """英文名 · and in English"""
    why: str
    """缘由 · why somebody should look, and what else the clue may mean"""
    needs: Annotated[tuple[Name, ...], Field(min_length=1)]
    """所需实体 · the entity types that it reads, the subject first"""


class Watch(Strict):
    """A watch rule: a SELECT over the tables of a release whose rows are clues, never verdicts."""

    header: WatchHeader
    sql: str


class Rules(Strict):
    """All entity types of a workspace in the order in which they are matched, and the hash of all files.

    A release is no function of forms and watch rules, so these are not hashed.
    """

    folder: Path
    entities: dict[str, EntityRules]
    sha256: str
    forms: dict[str, Form] = {}
    watches: dict[str, Watch] = {}
