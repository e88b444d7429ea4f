"""Clear text is opened for a purpose, one record at a time, and the audit trail has it before anybody sees it.

A steward needs a second person's leave for it, which holds for some hours (`Queue.ask_clear_text`). A grant made with
`--allow see_clear` is that leave itself: the security administrator was the second person.
"""

from __future__ import annotations

from collections.abc import Sequence

from desk.access import Identity
from desk.state import Desk
from golden_records.clear_text import ask_leave
from golden_records.queue import Queue
from linkage.decided import SourceRecord
from rules.errors import RefusedError


def open_clear_text(
    desk: Desk, identity: Identity, purpose: str, entity: str, subjects: Sequence[SourceRecord], what: dict[str, object]
) -> None:
    """Let `identity` see `what`, the values of source records, in clear text. To be called before they are read out.

    Raises:
        DeniedError: the grant has no clear text.
        RefusedError: a second person has not given leave yet; the message names the decision that waits for one.
    """
    identity.must("see_clear")
    if "see_clear" not in identity.grant.extra:
        number = ask_leave(Queue(desk.ws, desk.rules), entity, subjects, identity.name, purpose)
        if number is not None:
            raise RefusedError(
                f"clear text needs a second person: decision {number} waits for one; ask again when it is confirmed"
            )
    desk.trail.append("unmask", {**what, "reason": purpose, "way": identity.way}, identity.name)
