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
    en: str


class FieldRule(Strict):
    """One field of an entity type.

    identifier  values are indexed for `find`
    history     the golden record keeps every value with its validity, not only the current one
    alias_of    a value here licenses a second value of that exclusive column (a corrected number)
    golden      false: used for matching only, never published
    public      true: no personal data, shown without a mask
    """

    kind: Name
    title: Title
    options: dict[str, Any] = {}
    identifier: bool = False
    history: bool = False
    alias_of: Name | None = None
    golden: bool = True
    public: bool = False


class CheckRule(Strict):
    """A cross-field check: where `when` (SQL over `standard`) holds, the record gets finding `rule`.

    Severity `error` quarantines the record: it stays landed and is reported, but takes no part in linking. `among` is a
    column: a check that looks at other records looks only at those with the same value there.
    """

    rule: Name
    when: str
    field: Name | None = None
    among: str | None = None
    severity: Literal["info", "warn", "error"] = "warn"
    title: Title


class GoldenCheckRule(Strict):
    """A check over golden records: `sql`, a SELECT over the tables of a plan, gives record_id and perhaps detail.

    The records that it gives have finding `rule`. A severity is a word to people here: nothing is quarantined.
    """

    rule: Name
    title: Title
    severity: Literal["info", "warn", "error"] = "warn"
    sql: str


class BlockingRule(Strict):
    """Records equal in every key are candidate pairs.

    keys  SQL expressions over `standard` columns; a null key blocks nothing
    each  a list-valued SQL expression: a record stands in one block for each of its elements (and the keys)
    cap   blocks of more than this many records (at the time of `train`) are skipped: a hub value
    """

    keys: tuple[str, ...] = ()
    each: str | None = None
    cap: int | None = Field(default=None, ge=2)


class LevelRule(Strict):
    """A comparison level written out in `entity.toml` (see rules.kinds.base.Level)."""

    label: str
    when: str
    term_frequency: str | None = None


class ComparisonRule(Strict):
    """One comparison of the Fellegi-Sunter model.

    Either `field` (levels come from the field's kind; `levels` may pick some of them by label, in order)
    or `null` and `own` (levels written out over any `standard` columns). `least_m` is the least share of matches that
    any level may be given: what the training records never showed still happens (a spouse by another name).
    """

    name: Name
    field: Name | None = None
    levels: tuple[str, ...] = ()
    term_frequency: bool = True
    null: str | None = None
    own: tuple[LevelRule, ...] = ()
    least_m: float = Field(default=0.0001, gt=0, lt=1)


class GuardRule(Strict):
    """A pair for which `when` holds (SQL over `_l`/`_r` columns and `gamma_<comparison>`) is never
    accepted by weight alone: it waits for a steward (`review`) or is dropped (`reject`)."""

    label: str
    when: str
    effect: Literal["review", "reject"]


class ExclusiveRule(Strict):
    """A `standard` column of which one cluster may hold at most one distinct non-null value."""

    slot: Name
    column: str


class Matching(Strict):
    """Thresholds are match weights (log2 Bayes factors, prior included).

    pairs_per_record  expected matching pairs per record; with the number of records it gives the prior
    budget            most candidate pairs per record that blocking may produce
    """

    accept: float
    review: float
    pairs_per_record: float = Field(gt=0)
    budget: float = Field(gt=0)


class Training(Strict):
    """How m and u are estimated.

    u_pairs  random pairs sampled for u; em  one EM pass per entry, each a list of blocking keys
    """

    seed: int = 1
    u_pairs: float = 2e6
    em: tuple[tuple[str, ...], ...]


class Survivorship(Strict):
    """Which value wins: preferences in order, by default and by field; fields that move together."""

    default: tuple[Preference, ...] = ("authority", "validity", "agreement", "recency", "completeness")
    fields: dict[Name, tuple[Preference, ...]] = {}
    groups: tuple[tuple[Name, ...], ...] = ()


class Verification(Strict):
    """When a golden value counts as backed.

    quorum  field -> independent voices, the lead source among them, that make it `confirmed` or `agreed`; default 2
    ignore  fields whose values get no state
    """

    quorum: dict[Name, Annotated[int, Field(ge=1)]] = {}
    ignore: tuple[Name, ...] = ()


class SuccessionRule(Strict):
    """A dated relation `type` from a golden record that began to the one it succeeds.

    `earlier` / `later` are SQL conditions over golden columns (prefix-free); `same` are the columns of
    `standard` in which their records agree; the later one begins after the earlier was last seen.
    """

    type: Name
    title: Title
    earlier: str
    later: str
    same: tuple[str, ...]
    within_days: int = 800


class RelationRule(Strict):
    """A dated relation `type` from golden records of this entity type to others; one of three forms.

    field   a reference field: to the golden records that it names, of the entity type in its options
    party   a field that is `public`: to whom it names, who is no golden record, such as the authority that registers
    keys    within the entity type: from records for which `when` holds to those for which `to_when` holds, where
            the SQL expressions `keys` of the one equal `to_keys` of the other (by default `keys` again)
    when    SQL over `standard`, of the records on the from side
    since   SQL giving a date; by default the day from which the record says so
    acyclic records whose relations run in a circle (a parent of one's own parent) are a finding
    """

    type: Name
    title: Title
    field: Name | None = None
    party: Name | None = None
    keys: tuple[str, ...] = ()
    to_keys: tuple[str, ...] = ()
    when: str = "true"
    to_when: str = "true"
    since: str | None = None
    acyclic: bool = False


class EventRule(Strict):
    """Something that moves an entity from one state to another.

    when      SQL over `standard`: the record tells of the event; `on` gives its day (by default `observed_on`)
    relation  or: a relation of this type ends at the entity, and the event is on the day on which it begins
    from_ the states in which it may happen (`from` in the file); elsewhere it is a finding and moves nothing
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    event: Name
    title: Title
    when: str | None = None
    relation: Name | None = None
    on: str = "observed_on"
    from_: tuple[Name, ...] = Field(alias="from")
    to: Name


class Lifecycle(Strict):
    """The states of an entity type, the first of them the one it begins in, and the legal transitions."""

    states: dict[Name, Title]
    events: tuple[EventRule, ...]

    @property
    def initial(self) -> str:
        return next(iter(self.states))


class Limits(Strict):
    """A plan above one of these shares of current golden records (when over 100 exist) is refused.

    shared  field -> how many records of one source may have one value of it; more are refused however many exist
    """

    merged: float = 0.05
    split: float = 0.02
    retired: float = 0.05
    shared: dict[Name, Annotated[int, Field(ge=1)]] = {}

    @property
    def shares(self) -> dict[str, float]:
        """The limits of shares, by the kind of event."""
        return {"merged": self.merged, "split": self.split, "retired": self.retired}


class Entity(Strict):
    """`entity.toml`: everything the engine needs to know of one entity type.

    region  SQL over `standard`: a code that begins with that of the region around it; rows of the authority matrix
            may be for some regions only
    """

    entity: Name
    prefix: Annotated[str, Field(pattern=r"^[A-Z]{1,3}$")]
    title: Title
    fields: dict[Name, FieldRule]
    derive: dict[Name, str] = {}
    region: str | None = None
    checks: tuple[CheckRule, ...] = ()
    golden_checks: tuple[GoldenCheckRule, ...] = ()
    exclusive: tuple[ExclusiveRule, ...] = ()
    blocking: tuple[BlockingRule, ...]
    comparisons: tuple[ComparisonRule, ...]
    guards: tuple[GuardRule, ...] = ()
    matching: Matching
    training: Training
    survivorship: Survivorship = Survivorship()
    verification: Verification = Verification()
    succession: tuple[SuccessionRule, ...] = ()
    relations: tuple[RelationRule, ...] = ()
    lifecycle: Lifecycle | None = None
    limits: Limits = Limits()


class DeleteMark(Strict):
    """How a delta delivery says that a row is withdrawn."""

    column: str
    values: tuple[str, ...]


class Refers(Strict):
    """What the keys in a reference field are: source keys of `source`, or values of the identifier `field`."""

    source: Name | None = None
    field: Name | None = None

    @property
    def prefix(self) -> str:
        return f"{self.source}/" if self.source else f"#{self.field}/"


class Grouped(Strict):
    """A source made of another entity type's records: one record for all that share a value.

    entity, source  whose current records; `by` an SQL expression over their fields as delivered, the source key
    where           which of them; fields are SQL aggregates over the group
    """

    entity: Name
    source: Name
    by: str
    where: str = "true"
    fields: dict[Name, str]


class Source(Strict):
    """One source system as it delivers one entity type.

    line            the line of business that it belongs to, as people call it
    files           glob patterns of file names that belong to this source when a folder is loaded
    key             column(s) of the file that identify a row; several are joined with `-`
    columns         field -> column heading in the file
    delivery        a snapshot lists everything (absent = withdrawn); a delta lists what changed
    observed_on     column holding the date of the row (a date or a year); none: `load --observed-on`,
                    else a date in the file name, else the day of loading
    duplicate_free  true: no two records of the source are one entity; a list of columns: no two records
                    equal in these columns are (a yearly list is free of duplicates within its year)
    optional        fields whose column a delivery may lack (older files): they are empty then
    refers          reference field -> what its keys are
    grouped         no files: made of another entity type's records (`key`, `columns` and `delivery` fall away)
    period          each value of observed_on is a complete list of that period: what is absent from the
                    next one has ended
    sees            fields whose values its owner may see on a return sheet; by default those that it delivers
    """

    title: Title
    owner: str
    line: Title | None = None
    files: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    columns: dict[Name, str] = {}
    optional: tuple[Name, ...] = ()
    refers: dict[Name, Refers] = {}
    grouped: Grouped | None = None
    delivery: Literal["snapshot", "delta"] = "delta"
    deleted: DeleteMark | None = None
    observed_on: str | None = None
    duplicate_free: bool | tuple[str, ...] = False
    period: Literal["year"] | None = None
    derived_from: Name | None = None
    capture: Literal["chip", "ocr", "typed", "system"] = "typed"
    provenance_class: Literal["collected", "shared", "purchased"] = "collected"
    cycle_days: int | None = None
    legal_basis: str | None = None
    sees: tuple[Name, ...] | None = None

    @property
    def visible(self) -> frozenset[str]:
        """The fields whose values its owner may see on a return sheet."""
        delivered = self.grouped.fields if self.grouped else self.columns
        return frozenset(delivered if self.sees is None else self.sees)


class Authority(Strict):
    """One row of the dated authority matrix: for `fields`, the lead source first, then the order behind.

    With `regions` it is only for golden records whose region begins with one of them.
    """

    fields: tuple[Name, ...]
    order: Annotated[tuple[Name, ...], Field(min_length=1)]
    regions: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    since: date | None = None
    until: date | None = None
    basis: str | None = None


class Owner(Strict):
    """A department that owns sources, or is above those that do: the name of the one above it."""

    superior: str


class Sources(Strict):
    """`sources.toml`."""

    sources: dict[Name, Source]
    authority: tuple[Authority, ...] = ()
    owners: dict[str, Owner] = {}


class Case(Strict):
    """`cases.toml`: two records (field -> raw text) and what must become of the pair."""

    name: str
    expect: Literal["match", "review", "no_match", "not_merged"]
    left: dict[Name, str]
    right: dict[Name, str]
    why: str = ""


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
    """One question of a form, answered by a golden value or by golden records at the end of relations.

    field       a field of the form's entity type
    path        or: relations to walk, each `[~*][entity.]type`: `~` against its direction, `*` in either one
    show        with path: the fields of the golden records at its end
    enough      the states in which a held value need not be asked again
    fresh_days  it was last said no longer ago than this, or it is asked again
    """

    ask: Title
    field: Name | None = None
    path: tuple[str, ...] = ()
    show: tuple[Name, ...] = ()
    enough: Annotated[tuple[State, ...], Field(min_length=1)] = ("confirmed",)
    fresh_days: int | None = Field(default=None, ge=0)

    @property
    def element(self) -> str:
        """What is asked for, as rules name it: a field, or a path and the fields at its end."""
        return self.field or f"{' '.join(self.path)}: {', '.join(self.show)}"


class Form(Strict):
    """`forms/<form>.toml`: what a form asks about one entity."""

    form: Name
    entity: Name
    title: Title
    basis: str | None = None
    questions: Annotated[tuple[Question, ...], Field(min_length=1)]


class WatchHeader(Strict):
    """The comment lines at the top of `watch/<name>.sql`."""

    name: Name
    zh: str
    en: str
    why: str
    needs: Annotated[tuple[Name, ...], Field(min_length=1)]


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
