"""Asks the API as other systems do while a batch run publishes the next release, and says how fast it answered.

    python -m benchmarks.api_load [--records 1000000] [--clients 4] [--seconds 20] [--workspace DIR] [--alone] [--json]

The demo population with as many person records goes to a release (or a published workspace is given), and
`shuyuan serve` serves it. Clients with a connection each ask without a pause: golden records, a crosswalk of 1,000
source records, searches by identifier, records that may not exist yet (one identifier, or all that a golden record
says, in turn); each kind alone, then all in turn while `link`, `plan` and `publish` run beside them with some links
taken apart by a steward, so that the two releases answer differently. Server, clients and batch run share the machine;
`publish` is the figures while it runs. `--alone` leaves the batch run out, and needs no copy of a given workspace.

`failed` counts answers that are errors, `mixed` answers of the crosswalk that are not, record for record, what the
release that they name says. Both must be 0, or the command ends with 1. `benchmarks/results/api_load.json` keeps the
latest figures by records and clients.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import cycle
from pathlib import Path
from typing import Any

from benchmarks.steps import RESULTS, ROOT, Document, environment, record, shuyuan, write
from golden_records.crosswalk import places
from golden_records.match_index import RULES
from golden_records.query import Release
from linkage.decided import SourceRecord
from linkage.decisions import Decision, DecisionStore
from linkage.one_record import REFERENCES
from linkage.workspace import Workspace
from rules.columns import quote
from rules.loader import load_rules

KINDS = ("look-up", "crosswalk", "search", "match")
BATCH = 1_000
APART = 20  # links that a steward takes apart before the second release
Ask = tuple[str, str, str, Any]  # kind, method, path, body


@dataclass
class Heard:
    """What one client heard: seconds by kind, answers of the crosswalk by release, what failed."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    answers: set[tuple[int, str]] = field(default_factory=set)  # of the crosswalk: release, and what was answered
    releases: list[int] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def main() -> None:
    """Build, serve, ask, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000, help="person records")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=20.0, help="of asking, for each kind")
    parser.add_argument("--workspace", type=Path, help="a published workspace, which is copied; default: a demo")
    parser.add_argument("--alone", action="store_true", help="ask each kind alone, without a batch run beside it")
    parser.add_argument("--json", action="store_true", help="print JSON")
    chosen = parser.parse_args()
    work = Path(tempfile.mkdtemp())
    place = work / "ws"
    machine = environment()
    try:
        if chosen.workspace is None:
            shuyuan("demo", "demo", "--workspace", str(place), "--size", str(chosen.records))
        elif chosen.alone:
            place = chosen.workspace
        else:
            shutil.copytree(chosen.workspace, place, symlinks=True)
        found = measure(Workspace.open(place), chosen.clients, chosen.seconds, chosen.alone)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    document = {"environment": machine, "clients": chosen.clients, **found}
    path = RESULTS / "api_load.json"
    kept = json.loads(path.read_text("utf-8")) if path.exists() else {}
    of_one = "1 client" if chosen.clients == 1 else f"{chosen.clients} clients"
    kept[f"{found['records']:,} records, {of_one}{', alone' if chosen.alone else ''}"] = document
    write("api_load", kept)
    record("api_load", document)
    print(json.dumps(document, ensure_ascii=False, indent=1) if chosen.json else _text(document))
    if found["failed"] or found.get("mixed"):
        sys.exit(1)


def measure(ws: Workspace, clients: int, seconds: float, only_alone: bool) -> Document:
    """The figures of one workspace."""
    with Release.of(ws.releases) as release:
        asks, batches = _asks(release)
        golden = sum(state.golden for state in release.manifest.entities.values())
        records = sum(state.records for state in release.manifest.entities.values())
    with _serving(ws) as (port, token):
        alone = {}
        for kind in KINDS:
            heard = _run(port, token, clients, [one for one in asks if one[0] == kind], _lasting(seconds))
            alone[kind] = _figures(heard, kind) | {"failed": sum(len(one.failed) for one in heard)}
        failed = sum(one["failed"] for one in alone.values())
        if only_alone:
            return {"records": records, "golden": golden, "alone": alone, "failed": failed}
        _take_apart(ws)
        publishing = threading.Thread(target=_publish, args=(ws,))
        publishing.start()
        began = time.perf_counter()
        heard = _run(port, token, clients, asks, publishing.is_alive)
        took = time.perf_counter() - began
        heard += _run(port, token, clients, asks, _lasting(2))
        publishing.join()
    return {
        "records": records,
        "golden": golden,
        "alone": alone,
        "publish": {kind: _figures(heard, kind) for kind in KINDS},
        "batch_run_s": round(took, 1),
        "releases": sorted({number for one in heard for number in one.releases}),
        "failed": failed + sum(len(one.failed) for one in heard),
        "mixed": _mixed(ws, heard, batches),
        "went_back": sum(one.releases != sorted(one.releases) for one in heard),
    }


def _asks(release: Release) -> tuple[list[Ask], list[list[SourceRecord]]]:
    """Requests of every kind in a fixed order of chance, and the batches of source records among them."""
    chance = random.Random(1)
    entity = max(release.manifest.entities, key=lambda name: release.manifest.entities[name].golden)
    rows = release.rows(entity, "crosswalk", "select source, source_key, golden_id from t using sample 20000", [])
    rows = sorted(rows)
    values = release.lookup("select field, value from identifier where entity = ? limit 20000", entity)
    named = _fields(release, entity)
    told = release.rows(entity, "golden", f"select {', '.join(map(quote, named))} from t using sample 2000", [])
    known = [{name: str(one) for name, one in zip(named, row, strict=True) if one is not None} for row in told]
    batches = [[(s, k) for s, k, _ in chance.sample(rows, min(BATCH, len(rows)))] for _ in range(20)]
    asks: list[Ask] = []
    for number in range(2_000):
        asks.append(("look-up", "GET", f"/golden/{chance.choice(rows)[2]}", None))
        field, value = chance.choice(values)
        asks.append(("search", "POST", "/search", {"value": value, "entity": entity}))
        record_of = {field: value} if number % 2 else chance.choice(known)
        asks.append(("match", "POST", "/match", {"entity": entity, "record": record_of}))
        if number % 20 == 0:
            batch = batches[number // 20 % len(batches)]
            body = {"records": [{"source": source, "key": key} for source, key in batch]}
            asks.append(("crosswalk", "POST", "/crosswalk", body))
    return asks, batches


def _fields(release: Release, entity: str) -> list[str]:
    """The fields of a golden record that say something by themselves."""
    rules = load_rules(release.folder / RULES).entities[entity].entity
    held = {name for name, *_ in release.rows(entity, "golden", "select column_name from (describe from t)", [])}
    return [name for name, rule in rules.fields.items() if name in held and rule.kind not in REFERENCES]


def _run(port: int, token: str, clients: int, asks: list[Ask], going: Callable[[], bool]) -> list[Heard]:
    """Let clients ask while `going`, each beginning at another place."""
    heard = [Heard() for _ in range(clients)]
    threads = [
        threading.Thread(target=_client, args=(port, token, asks[n::clients] or asks, going, one))
        for n, one in enumerate(heard)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return heard


def _client(port: int, token: str, asks: list[Ask], going: Callable[[], bool], heard: Heard) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    bodies = [(kind, method, path, None if body is None else json.dumps(body)) for kind, method, path, body in asks]
    for kind, method, path, body in cycle(bodies):
        if not going():
            break
        began = time.perf_counter()
        connection.request(method, f"/api/v1{path}", body, headers)
        answer = connection.getresponse()
        text = answer.read()
        heard.seconds[kind].append(time.perf_counter() - began)
        if answer.status not in (200, 300, 308, 410):  # an id that does not live any more is an answer
            heard.failed.append(f"{method} {path}: {answer.status}")
            continue
        heard.releases.append(int(answer.headers["Shuyuan-Release"]))
        if kind == "crosswalk":
            heard.answers.add((int(answer.headers["Shuyuan-Release"]), text.decode()))
    connection.close()


def _mixed(ws: Workspace, heard: list[Heard], batches: list[list[SourceRecord]]) -> int:
    """Answers of the crosswalk that are not what the release they name says."""
    answers = set().union(*(one.answers for one in heard))
    mixed = 0
    for number in sorted({release for release, _ in answers}):
        with Release.of(ws.releases, number) as release:
            told = [places(release, batch, list(release.manifest.entities)) for batch in batches]
        for said in (json.loads(text) for at, text in answers if at == number):
            found = {
                (one["source"], one["key"]): [(g["entity"], g["golden_id"]) for g in one["golden"]]
                for one in said["records"]
            }
            mixed += said["release"] != number or found not in told
    return mixed


def _take_apart(ws: Workspace) -> None:
    """Let a steward take some links of the largest entity type apart, so that the next release differs."""
    store = DecisionStore(ws.decisions)
    with Release.of(ws.releases) as release:
        entity = max(release.manifest.entities, key=lambda name: release.manifest.entities[name].golden)
        rows = release.rows(
            entity,
            "crosswalk",
            "select list([source, source_key] order by source, source_key) from t where until is null "
            f"group by golden_id having count(*) = 2 order by golden_id limit {APART}",
            [],
        )
    store.add_all(
        [Decision("different", entity, tuple((s, k) for s, k in pair), "a benchmark", "bench") for (pair,) in rows]
    )


def _publish(ws: Workspace) -> None:
    with Release.of(ws.releases) as release:
        day = release.manifest.as_of + timedelta(days=1)
    for name, *more in (("link", "--as-of", str(day)), ("plan",), ("publish", "--yes", "--force", "a benchmark")):
        shuyuan(name, name, *more, "--workspace", str(ws.root))


@contextmanager
def _serving(ws: Workspace) -> Iterator[tuple[int, str]]:
    """The server of a workspace, and a reader's token, which ends with it."""
    token = shuyuan("token", "token", "--role", "reader", "--name", "bench", "--workspace", str(ws.root))
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = int(one.getsockname()[1])
    command = [sys.executable, "-m", "cli", "serve", "--port", str(port), "--rate", "1000000"]
    with subprocess.Popen([*command, "--workspace", str(ws.root)], cwd=ROOT, stderr=subprocess.DEVNULL) as server:
        try:
            for _ in range(600):
                with socket.socket() as one:
                    if one.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.1)
            yield port, token.stdout.strip()
        finally:
            server.terminate()
            listed = shuyuan("token", "token", "--list", "--json", "--workspace", str(ws.root))
            made = [one for one in json.loads(listed.stdout) if one["name"] == "bench"]
            mine = max(made, key=lambda one: str(one["made_at"]))
            shuyuan("token", "token", "--end", mine["id"], "--workspace", str(ws.root))


def _lasting(seconds: float) -> Callable[[], bool]:
    until = time.perf_counter() + seconds
    return lambda: time.perf_counter() < until


def _figures(heard: list[Heard], kind: str) -> Document:
    """Requests per second of asking one kind, and the p50 and p99 of an answer in milliseconds."""
    found = sorted(second for one in heard for second in one.seconds[kind])
    if not found:
        return {"requests": 0}
    return {
        "requests": len(found),
        "per_second": round(len(found) / (sum(found) / len(heard)), 1),
        "p50_ms": round(1000 * found[len(found) // 2], 1),
        "p99_ms": round(1000 * found[int(0.99 * (len(found) - 1))], 1),
    }


def _text(document: Document) -> str:
    rows = [f"{document['golden']:,} golden records, {document['clients']} clients"]
    for part in ("alone", "publish"):
        rows += [f"{part} {kind}: {figures}" for kind, figures in document.get(part, {}).items()]
    rows.append(", ".join(f"{name} {document[name]}" for name in ("releases", "failed", "mixed") if name in document))
    return "\n".join(rows)


if __name__ == "__main__":
    main()
