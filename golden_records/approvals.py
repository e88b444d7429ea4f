"""What approvers say of a plan before it is published: append-only, beside the decisions.

Writes: plan_word (SQLite).

A plan is named by the hash of everything it is a function of, so a word about it never counts for another one. A plan
that exceeds a limit of the rules needs two people; nobody approves a plan that carries a decision of his own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from golden_records.manifest import current_release, read_manifest
from linkage.audit_trail import AuditTrail
from linkage.decision_schema import with_tables
from linkage.decisions import ASIDE, DecisionStore
from linkage.workspace import Workspace
from rules.errors import InputError, RefusedError

Said = Literal["approve", "refuse"]
Document = dict[str, Any]
_SCHEMA = """
create table if not exists plan_word (
  word_id integer primary key autoincrement, inputs text not null, release integer not null, said text not null,
  steward text not null, reason text not null, at text not null);
create index if not exists plan_word_of on plan_word (inputs);
create trigger if not exists plan_word_stays before update on plan_word
  begin select raise(abort, 'a word about a plan is never changed'); end;
create trigger if not exists plan_word_remains before delete on plan_word
  begin select raise(abort, 'a word about a plan is never deleted'); end;
"""


@dataclass(frozen=True)
class Word:
    """What one approver said of a plan, with the reason, and when (UTC)."""

    said: str
    steward: str
    reason: str
    at: str


@dataclass(frozen=True)
class Standing:
    """Where a plan stands: the last word of each approver, and how many must approve."""

    words: tuple[Word, ...]
    needed: int

    @property
    def refused(self) -> bool:
        return any(one.said == "refuse" for one in self.words)

    @property
    def approved(self) -> bool:
        """Whether enough people approve and nobody refuses."""
        return not self.refused and len(self.words) >= self.needed


class Approvals:
    """The words about the plans of a workspace."""

    def __init__(self, ws: Workspace) -> None:
        self.ws = ws

    def standing(self, plan: Document) -> Standing:
        """Where a plan (`plan.Plan.as_dict`) stands."""
        with with_tables(self.ws.decisions, _SCHEMA) as db:
            found = db.execute(
                "select said, steward, reason, at from plan_word where word_id in "
                "(select max(word_id) from plan_word where inputs = ? group by steward) order by word_id",
                (plan["inputs"],),
            ).fetchall()
        return Standing(tuple(Word(*row) for row in found), 2 if plan["exceeded"] else 1)

    def say(self, plan: Document, said: Said, steward: str, reason: str) -> None:
        """Approve or refuse a plan; a later word of the same person replaces the earlier one.

        Raises:
            InputError: no reason was given.
            RefusedError: it carries a decision of the approver's own, or is published already.
        """
        if not reason.strip():
            raise InputError("a word about a plan needs a reason")
        if plan["previous"] != current_release(self.ws.releases):
            raise RefusedError(f"release {plan['release']} was published, or another since it was planned; plan again")
        own = self._own(steward)
        if said == "approve" and own:
            raise RefusedError(
                f"decision {own[0]} of {steward} is in this plan; somebody who decided nothing in it approves it"
            )
        with with_tables(self.ws.decisions, _SCHEMA) as db:
            db.execute(
                "insert into plan_word (inputs, release, said, steward, reason, at) values (?, ?, ?, ?, ?, ?)",
                (plan["inputs"], plan["release"], said, steward, reason.strip(), _now()),
            )
        detail = {"release": plan["release"], "inputs": plan["inputs"], "reason": reason.strip()}
        AuditTrail(self.ws.decisions).append(f"{said} plan", detail, steward)

    def _own(self, steward: str) -> list[int]:
        """The decisions of a steward that count and were made since the current release was published."""
        now = current_release(self.ws.releases)
        since = read_manifest(self.ws.releases / str(now)).published_at if now is not None else ""
        return [
            one.decision_id
            for one in DecisionStore(self.ws.decisions).entries()
            if one.steward == steward and one.decided_at > since and one.kind not in ASIDE
        ]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
