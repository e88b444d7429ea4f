"""A batch run in a process of its own: `python -m desk.batch STEP WORKSPACE …`; the server that starts it stays light.

    plan WORKSPACE DAY                link what was loaded and decided, and work out the next release
    publish WORKSPACE INPUTS REASON   publish the plan with these inputs; REASON lets it exceed its limits

What comes out is one line on stdout: JSON with `release`, or with `error`.
"""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path

from golden_records.plan import plan, read_plan
from golden_records.release import publish
from linkage import ingest
from linkage.decisions import DecisionStore
from linkage.link import chosen, link
from linkage.workspace import Workspace
from rules.errors import RefusedError, ShuyuanError


def make_plan(ws: Workspace, day: date) -> int:
    """Link and plan as of a day; gives the number of the release that is planned."""
    rules, decisions = ws.load_rules(), DecisionStore(ws.decisions)
    with ws.lock("plan"):
        con = ws.connect()
        try:
            ingest.reload_landed(con, ws, rules)
            names = [one.name for one in chosen(con, rules, ())]
            link(con, ws, rules, decisions, day, only=names)
            return plan(con, ws, rules, decisions).release
        finally:
            con.close()


def publish_plan(ws: Workspace, inputs: str, forced: str | None) -> int:
    """Publish the plan that was approved, and no other; gives the number of the release."""
    rules, decisions = ws.load_rules(), DecisionStore(ws.decisions)
    with ws.lock("publish"):
        con = ws.connect()
        try:
            found = read_plan(con)
            if found.inputs != inputs:
                raise RefusedError("what is planned now is not what was approved; look at the plan again")
            return publish(con, ws, rules, decisions, found, forced=forced)
        finally:
            con.close()


def main(step: str, root: str, *more: str) -> int:
    """Run a step; the exit code says whether it was done."""
    try:
        ws = Workspace.open(Path(root))
        if step == "plan":
            release = make_plan(ws, date.fromisoformat(more[0]))
        else:
            release = publish_plan(ws, more[0], more[1] or None)
    except ShuyuanError as error:
        print(json.dumps({"error": str(error)}))
        return 1
    print(json.dumps({"release": release}))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
