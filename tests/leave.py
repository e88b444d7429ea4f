"""A second person who lets everybody see the clear text that they asked for."""

from __future__ import annotations

from pathlib import Path

from golden_records.queue import Queue
from linkage.workspace import Workspace


def give_leave(root: Path) -> int:
    """Confirm every decision of a workspace that asks for clear text; gives how many there were."""
    ws = Workspace.open(root)
    queue = Queue(ws, ws.load_rules())
    asked = [one.decision_id for one in queue.pending() if one.kind == "unmask"]
    for number in asked:
        assert number is not None
        queue.confirm(number, "a second person", "asked for by letter")
    return len(asked)
