"""What the API takes and answers; the OpenAPI document is made from it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

MOST = 1_000  # source records, or events, in one request
Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Purpose = Annotated[str, StringConstraints(min_length=2, max_length=500, strip_whitespace=True)]
GoldenId = Annotated[str, Path(min_length=1, max_length=40, examples=["P000000000001U"])]
AsOf = Annotated[date | None, Query(description="a day, such as 2025-06-30; default: now")]


class Taken(BaseModel):
    """A body: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Told(BaseModel):
    """An answer: the release it is from."""

    release: int = Field(description="the release it is from", examples=[12])


class Loser(BaseModel):
    said: str | None
    source: str
    source_key: str
    observed_on: str | None = None


class Value(BaseModel):
    value: str | None = Field(examples=["8****************3"])
    state: str | None = Field(None, examples=["confirmed"])
    source: str | None = Field(None, examples=["civil_registry"])
    source_key: str | None = Field(None, examples=["C01"])
    rule: str | None = Field(None, examples=["authority"])
    agree: list[str] | None = None
    differ: list[str] | None = None
    losers: list[Loser] = []


class Member(BaseModel):
    source: str
    source_key: str


class RelationTold(BaseModel):
    from_id: str
    type: str
    to_id: str | None
    to_name: str | None
    since: str | None
    until: str | None
    source: str | None
    source_key: str | None
    step: int | None = Field(None, description="how far from the id that was asked for")


class GoldenTold(Told):
    """A golden record: every value with its state, its source record and who says otherwise."""

    golden_id: str = Field(examples=["P000000000001U"])
    entity: str = Field(examples=["person"])
    status: str = Field(examples=["active"])
    masked: bool = True
    successors: list[str] = Field([], description="ids that hold what it lost to a split")
    fields: dict[str, Value]
    members: list[Member]
    history: list[dict[str, Any]]
    relations: list[RelationTold] = []


class Moved(Told):
    """Where an id went that does not live any more."""

    golden_id: str
    status: str = Field(examples=["merged"])
    heir: str | None = None
    successors: list[str] = []


class ClearAsked(Taken):
    purpose: Purpose = Field(examples=["信访核查 2025-118"])
    as_of: date | None = None


class RelationsTold(Told):
    golden_id: str
    relations: list[RelationTold]


class Record(Taken):
    source: Name = Field(examples=["civil_registry"])
    key: Text = Field(examples=["C01"])


class CrosswalkAsked(Taken):
    records: list[Record] = Field(min_length=1, max_length=MOST)
    as_of: date | None = None


class Found(BaseModel):
    entity: str
    golden_id: str


class Placed(BaseModel):
    source: str
    key: str
    golden: list[Found]


class PlacedTold(Told, Placed):
    as_of: date | None = None


class CrosswalkTold(Told):
    as_of: date | None = None
    records: list[Placed] = Field(description="in the order of the request")


class SearchAsked(Taken):
    value: Text = Field(examples=["880101198503120023"])
    entity: Name | None = Field(None, description="default: all that were granted", examples=["person"])
    field: Name | None = Field(None, description="default: every identifier", examples=["citizen_id"])


class Hit(Found):
    field: str


class SearchTold(Told):
    hits: list[Hit]


class VerifyAsked(Taken):
    golden_id: Annotated[str, StringConstraints(min_length=1, max_length=40)] = Field(examples=["P000000000001U"])
    claims: dict[Name, Text] = Field(
        min_length=1, max_length=20, examples=[{"name": "沈青禾", "birth_date": "1985-03-12"}]
    )


class VerifyTold(Told):
    golden_id: str
    answers: dict[str, str] = Field(description="yes, no, or unknown where nothing is held", examples=[{"name": "yes"}])


class MatchAsked(Taken):
    entity: Name = Field(examples=["person"])
    record: dict[Name, Text | None] = Field(
        min_length=1, max_length=50, examples=[{"name": "沈青禾", "birth_date": "1985-03-12", "division": "880101101"}]
    )
    source: Name | None = Field(None, description="the source that would deliver it", examples=["civil_registry"])
    limit: int = Field(10, ge=1, le=50, description="golden records at most")


class Level(BaseModel):
    level: str = Field(examples=["exact"])
    weight: float


class Candidate(BaseModel):
    golden_id: str
    weight: float = Field(description="of its best record")
    verdict: str = Field(examples=["accept"])
    levels: dict[str, Level] = Field(description="by comparison, how the best record compares and what that weighs")
    records: list[Member]


class MatchTold(Told):
    answer: Literal["existing", "steward", "new"] = Field(
        description="one golden record is it; in doubt: ask a steward; none comes near"
    )
    candidates: list[Candidate] = Field(description="best first")


class Event(BaseModel):
    seq: int
    entity: str
    golden_id: str
    kind: str = Field(examples=["merged"])
    into_id: str | None
    release: int
    at: str | None


class ChangesTold(Told):
    events: list[Event]
    next_after: int = Field(description="ask again with this")
    more: bool = Field(description="whether there are further events now")


class SnapshotFile(BaseModel):
    path: str = Field(examples=["person/golden.parquet"])
    rows: int
    bytes: int
    sha256: str


class SnapshotTold(Told):
    as_of: date
    after: int = Field(description="the last event in it: follow 'changes' from here")
    files: list[SnapshotFile]


class HookAsked(Taken):
    url: Annotated[str, StringConstraints(max_length=500, pattern=r"^https?://[^\s@]+$")] = Field(
        examples=["https://benefits.example/shuyuan"]
    )
    entities: list[Name] | None = Field(None, description="default: all")
    after: int = Field(0, ge=0, lt=2**53, description="the event after which it begins")


class HookTold(BaseModel):
    hook_id: int
    url: str
    entities: list[str] | None
    after: int = Field(description="the last event that was taken")
    made_by: str
    made_at: datetime


class HookMade(HookTold):
    secret: str = Field(description="signs every delivery; shown this once")


class AuditEntry(BaseModel):
    seq: int
    at: str
    actor: str
    action: str
    detail: dict[str, Any]
    previous: str
    hash: str


class AuditTold(BaseModel):
    entries: list[AuditEntry]
    next_after: int
    whole: bool = Field(description="whether the chain of hashes is unbroken")
