"""Leave to see the clear text of source records: one person asks for it, a second one gives it, for some hours.

Reads: decisions. Writes: decision (kind unmask, proposed).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from golden_records.queue import Queue
from linkage.decided import SourceRecord


def ask_leave(queue: Queue, entity: str, subjects: Sequence[SourceRecord], steward: str, purpose: str) -> int | None:
    """The decision that waits for a second person to let `steward` see source records; None where leave was given.

    Who asks again before it was confirmed has asked once.

    Raises:
        RefusedError: somebody else holds these records.
    """
    if queue.may_unmask(entity, subjects, steward):
        return None
    for one in queue.pending(entity):
        until = datetime.fromisoformat(str(dict(one.payload)["until"])) if one.kind == "unmask" else queue.clock()
        if one.steward == steward and until > queue.clock() and set(subjects) <= set(one.subjects):
            return one.decision_id
    return queue.ask_clear_text(entity, subjects, steward, purpose).number
