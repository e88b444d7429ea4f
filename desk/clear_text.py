"""Clear text is opened for a purpose, one record at a time, and the audit trail has it before anybody sees it."""

from __future__ import annotations

from desk.access import Identity
from desk.state import Desk
from rules.errors import RefusedError

SHORTEST = 2  # characters of a purpose: 信访 says something


def open_clear_text(desk: Desk, identity: Identity, purpose: str, what: dict[str, object]) -> None:
    """Let `identity` see `what` in clear text, or say why not. To be called before anything is read out.

    Raises:
        DeniedError: the grant has no clear text.
        RefusedError: no purpose was stated.
    """
    identity.must("see_clear")
    if len(purpose.strip()) < SHORTEST:
        raise RefusedError("clear text needs a purpose; the audit trail keeps it")
    desk.trail.append("unmask", {**what, "reason": purpose.strip(), "way": identity.way}, identity.name)
