"""Opening clear text from a page: at once where leave was given, else a second person is asked."""

from __future__ import annotations

from collections.abc import Sequence

from desk.access import Identity
from desk.clear_text import open_clear_text
from desk.language import Translate
from desk.state import Desk
from golden_records.queue import Queue
from linkage.decided import SourceRecord
from rules.errors import RefusedError

SHORTEST = 2  # characters of a purpose: 信访 says something


def opened(
    desk: Desk,
    identity: Identity,
    purpose: str,
    about: tuple[str, Sequence[SourceRecord], dict[str, object]],
    translate: Translate,
) -> str:
    """Open the values of source records (`about`: entity type, records, what the audit trail keeps).

    Gives why they are not open, in the language of the page; nothing where they are.
    """
    entity, subjects, what = about
    if len(purpose.strip()) < SHORTEST:
        return translate("Clear text needs a purpose.")
    try:
        open_clear_text(desk, identity, purpose.strip(), entity, subjects, what)
    except RefusedError:
        pending = Queue(desk.ws, desk.rules).pending(entity)
        if any(one.kind == "unmask" and one.steward == identity.name for one in pending):
            return translate("A second person was asked. Open the clear text here once it is confirmed.")
        return translate("Somebody else holds these records; who holds them opens their clear text.")
    return ""
