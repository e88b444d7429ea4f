"""Who may do what: roles, what each of them may, and the limits of a grant by entity type, region and attribute.

Identities come from outside: a reverse proxy that has signed somebody in, or a local token (`tokens.py`). Nothing here
knows passwords. What a role may is one table, `MAY`; what a grant shows of a golden record is decided in `sight.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, get_args

from rules.errors import DeniedError, InputError

Role = Literal[
    "reader",
    "steward",
    "approver",
    "rule_maintainer",
    "system_administrator",
    "security_administrator",
    "audit_administrator",
]
Action = Literal[
    "read",  # golden records, crosswalk, search, relations, changes: masked
    "verify",  # yes or no to a claim; no value is told
    "match",  # search before create
    "see_clear",  # clear text, for a purpose
    "export",  # whole tables in clear text, for a purpose
    "explain",  # why two records are one
    "review",  # see what waits for a decision, claim it
    "decide",  # decide, override, withdraw
    "second",  # be the second person of a decision that needs two
    "answer_tickets",
    "see_plan",
    "approve",  # approve or refuse a release plan, and publish it
    "see_quality",
    "see_rules",
    "administer_system",  # settings: webhooks; who works on the workspace
    "administer_access",  # tokens
    "see_audit",  # the audit trail
]
ROLES: tuple[Role, ...] = get_args(Role)
ACTIONS: tuple[Action, ...] = get_args(Action)
# One person is never two of these.
ADMINISTRATORS: frozenset[Role] = frozenset({"system_administrator", "security_administrator", "audit_administrator"})
_ASK: tuple[Action, ...] = ("read", "verify", "match")
MAY: dict[Role, frozenset[Action]] = {
    "reader": frozenset({*_ASK}),
    "steward": frozenset({*_ASK, "see_clear", "explain", "review", "decide", "answer_tickets", "see_quality"}),
    "approver": frozenset(
        {*_ASK, "see_clear", "explain", "review", "second", "answer_tickets", "see_plan", "approve", "see_quality"}
    ),
    "rule_maintainer": frozenset({*_ASK, "explain", "see_plan", "see_quality", "see_rules"}),
    "system_administrator": frozenset({"administer_system"}),
    "security_administrator": frozenset({"administer_access"}),
    "audit_administrator": frozenset({"see_audit"}),
}
# What may be granted beside a role, to a system that needs it: no role of its own has clear text in bulk.
EXTRA: frozenset[Action] = frozenset({"see_clear", "export"})


@dataclass(frozen=True)
class Grant:
    """What somebody was granted.

    entities    entity types; None: all
    regions     beginnings of division codes, such as 4403; None: all
    attributes  fields; None: all
    """

    roles: frozenset[Role]
    extra: frozenset[Action] = frozenset()
    entities: frozenset[str] | None = None
    regions: tuple[str, ...] | None = None
    attributes: frozenset[str] | None = None

    def __post_init__(self) -> None:
        unknown = sorted(self.roles - set(ROLES)) + sorted(self.extra - EXTRA)
        if unknown:
            raise InputError(f"{unknown[0]!r} cannot be granted; roles are {', '.join(ROLES)}, beside them {_extra()}")
        if not self.roles:
            raise InputError(f"a grant needs a role; known are {', '.join(ROLES)}")
        if len(self.roles & ADMINISTRATORS) > 1:
            both = " and ".join(sorted(self.roles & ADMINISTRATORS))
            raise InputError(f"{both} exclude each other: no one person may be both")
        for region in self.regions or ():
            if not (region.isascii() and region.isdigit()):
                raise InputError(f"region {region!r}: expected the beginning of a division code, such as 4403")

    def may(self, action: Action) -> bool:
        """Whether a role of this grant, or what was granted beside it, has the action."""
        return action in self.extra or any(action in MAY[role] for role in self.roles)

    def sees_entity(self, entity: str) -> bool:
        return self.entities is None or entity in self.entities

    def sees_attribute(self, name: str) -> bool:
        return self.attributes is None or name in self.attributes

    def sees_region(self, divisions: Iterable[str | None]) -> bool:
        """Whether one of a record's division codes lies in a granted region; a record without one lies in none."""
        if self.regions is None:
            return True
        return any(code.startswith(self.regions) for code in divisions if code)

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that differ where the grant differs: two grants never share a cached answer."""
        parts = (sorted(self.roles), sorted(self.extra), *(_sorted(p) for p in (self.entities, self.attributes)))
        return hashlib.sha256(repr((*parts, _sorted(self.regions))).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Identity:
    """Who asks, and how that is known.

    way  bearer: a token with each request; session: the cookie of a browser; proxy: headers of a trusted peer
    csrf what a form of this session must send back; empty for a bearer, whom no other page can impersonate
    """

    name: str
    grant: Grant
    way: Literal["bearer", "session", "proxy"]
    csrf: str = field(default="", repr=False)

    def must(self, action: Action) -> None:
        """DeniedError unless the grant has the action."""
        if not self.grant.may(action):
            raise DeniedError(
                f"{self.name} ({', '.join(sorted(self.grant.roles))}) may not {action.replace('_', ' ')}; "
                "ask the security administrator for a grant that has it"
            )


def _sorted(part: Iterable[str] | None) -> list[str] | None:
    return None if part is None else sorted(part)


def _extra() -> str:
    return ", ".join(sorted(EXTRA))
