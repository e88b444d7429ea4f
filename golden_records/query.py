"""Asks a published release; opened read-only by any number of processes while the next batch runs.

Look-ups by key go to the release's look-up index, whole golden records come out of its Parquet files.
A merged id answers with its heir, a split one with its successors, an ended one says so.
"""

from __future__ import annotations

import heapq
import json
import re
import sqlite3
from collections.abc import Iterable, Iterator
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb

from golden_records.ids import parse
from golden_records.index import Index
from golden_records.manifest import Manifest, current_release, lineage, read_manifest, releases_of
from golden_records.rows_of import RowsOf
from golden_records.segments import has_table, table_sql
from rules.errors import NotFoundError

Document = dict[str, Any]
_PREFIX = re.compile("[A-Z]+")  # of a golden id, before its first digit
REDIRECT = "select kind, successors from redirect where golden_id = ?"
EVENTS = "select seq, golden_id, kind, into_id, release, at from event where shown_by = ? order by seq"
RELATIONS = """
select entity, from_id, type, to_id, to_name, since, until, source, source_key from relation where from_id = ?
union all
select entity, from_id, type, to_id, to_name, since, until, source, source_key from relation
where to_id = ? and from_id <> ?
order by type, from_id, to_id nulls last, to_name nulls last, since nulls last, source, source_key"""


class Release:
    """One release of a workspace. Use as a context manager, or call `close`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest: Manifest = read_manifest(folder)
        # One thread at a time asks it, but not always the same one: the desk hands releases from request to request.
        self.index = Index(folder)
        self.by_id = self.index.by_id
        self._opened: duckdb.DuckDBPyConnection | None = None
        self._provenance: dict[str, RowsOf] = {}

    @classmethod
    def of(cls, releases: Path, number: int | None = None) -> Release:
        """Release `number` in the folder `releases`, the current one by default (NotFoundError: none)."""
        chosen = current_release(releases) if number is None else number
        if chosen is None:
            raise NotFoundError("nothing is published yet; run 'shuyuan publish'")
        if chosen not in releases_of(releases):
            raise NotFoundError(f"there is no release {chosen}; 'shuyuan status' lists them")
        return cls(releases / str(chosen))

    def __enter__(self) -> Release:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, sqlite3.Error):
            error.add_note(str(self.index.last))
        self.close()

    def close(self) -> None:
        """Let go of the files."""
        for one in self._provenance.values():
            one.close()
        self.index.close()
        if self._opened is not None:
            self._opened.close()

    def find(self, entity: str, source: str, key: str) -> list[Document]:
        """The golden record that holds a source record: [{golden_id, entity}], empty where none does."""
        found = self.index.of(
            key,
            "select golden_id from source_key where entity = ? and source = ? and source_key = ?",
            *(entity, source, key),
        )
        return [{"golden_id": heir, "entity": entity} for row in found for heir in self.heirs(row[0])]

    def find_value(
        self, entity: str, field: str, value: str, keys: tuple[str, ...] = (), indexed: bool = False
    ) -> list[Document]:
        """Golden records with `value` (or one of its canonical `keys`) in `field`.

        An identifier field finds every value of every member, an old number too; any other field the
        published values, past ones of a field with history included. `indexed`: look at identifiers only, in
        microseconds.
        """
        if entity not in self.manifest.entities:
            raise NotFoundError(f"release {self.manifest.release} has no entity type {entity!r}")
        wanted = tuple(dict.fromkeys((value, *keys)))
        identified = "select golden_id from identifier where entity = ? and field = ? and value = ?"
        found = sorted({row for one in wanted for row in self.index.of(one, identified, entity, field, one)})
        if not found and not indexed:
            marks = ", ".join("?" * len(wanted))
            found = self.rows(
                entity,
                "provenance",
                f"select distinct golden_id from t where field = ? and value in ({marks}) order by golden_id",
                [field, *wanted],
            )
        return [{"golden_id": row[0], "entity": entity} for row in found]

    def confirmed(self, entity: str, golden_ids: Iterable[str], fields: Iterable[str]) -> set[str]:
        """Those of the golden ids of which a current value of one of the fields is confirmed."""
        sql = (
            "select distinct golden_id from t where golden_id in (select unnest(?::varchar[])) "
            "and field in (select unnest(?::varchar[])) and valid_to is null and state = 'confirmed'"
        )
        if entity not in self.manifest.entities:
            return set()
        return {row[0] for row in self.rows(entity, "provenance", sql, [sorted(golden_ids), list(fields)])}

    def members(self, golden_id: str) -> list[tuple[str, str]]:
        """The source records that a golden id, or its heir, holds, in order (NotFoundError: malformed)."""
        entity = self.entity_of(golden_id)
        return [member for heir in self.heirs(golden_id) for member in self._members(entity, heir)]

    def ever_held(self, golden_id: str) -> list[tuple[str, str]]:
        """The source records that a golden id holds or held, in order (NotFoundError: malformed)."""
        sql = "select distinct source, source_key from t where golden_id = ? order by source, source_key"
        return self.rows(self.entity_of(golden_id), "crosswalk", sql, [golden_id])

    def fate(self, golden_id: str) -> Document:
        """What became of an id: {golden_id, entity, lives, status, heirs, successors}.

        `status` is its state of life where it lives, else merged, split or retired; `heirs` are the ids that answer for
        it, itself where it lives; `successors` hold what it lost to others, None where it never did.

        Raises:
            NotFoundError: the id is malformed or was never issued.
        """
        entity = self.entity_of(golden_id)
        living = self.index.of(golden_id, "select status from golden where golden_id = ?", golden_id)
        redirect = self.index.of(golden_id, REDIRECT, golden_id)
        if not living and not redirect:
            raise NotFoundError(f"{golden_id} was not issued up to release {self.manifest.release}")
        return {
            "golden_id": golden_id,
            "entity": entity,
            "lives": bool(living),
            "status": living[0][0] if living else redirect[0][0],
            "heirs": self.heirs(golden_id) if living or redirect[0][0] == "merged" else [],
            "successors": json.loads(redirect[0][1]) if redirect else None,
        }

    def richest(self, entity: str) -> Document:
        """The golden record that most sources hold: {golden_id, source, source_key, sources}; {} where none is."""
        rows = self.rows(
            entity,
            "crosswalk",
            "select golden_id, min(source), arg_min(source_key, source), count(distinct source) as sources from t "
            "where until is null group by golden_id order by sources desc, count(*) desc, golden_id limit 1",
            [],
        )
        return dict(zip(("golden_id", "source", "source_key", "sources"), rows[0], strict=True)) if rows else {}

    def show(self, golden_id: str, as_of: date | None = None) -> Document:
        """A golden record with its values, where they came from, its members and its history.

        With `as_of`, fields with history show the value that held on that day.

        Raises:
            NotFoundError: the id is malformed or was never issued.
        """
        fate = self.fate(golden_id)
        entity, heirs = fate["entity"], fate["heirs"]
        if heirs and heirs != [golden_id]:
            return self.show(heirs[0], as_of) | {"redirected_from": golden_id}
        values = self._values(entity, golden_id)
        losers = self._losers(entity, golden_id)
        members = self._members(entity, golden_id)
        document: Document = {
            "golden_id": golden_id,
            "entity": entity,
            "status": fate["status"],
            "redirected_from": None,
            "fields": {v["field"]: _shown(v, losers) for v in values if _holds(v, as_of)},
            "members": [{"source": source, "source_key": key} for source, key in members],
            "history": [*_past(values), *self._events(entity, golden_id)],
        }
        if fate["successors"] is not None:
            document["successors"] = fate["successors"]
        if as_of is not None:
            document["status"] = self._state(entity, golden_id, as_of) or document["status"]
        document["history"] = [*self._states(entity, golden_id), *document["history"]]
        relations = [one for one in self.relations(golden_id) if _in_force(one, as_of)]
        return document | ({"relations": relations} if relations else {})

    def relations(self, golden_id: str) -> list[Document]:
        """Every relation that begins or ends at a golden id, of whichever entity type the other end is.

        An end that is no golden record has no `to_id`, only a `to_name`.
        """
        names = ("from_id", "type", "to_id", "to_name", "since", "until", "source", "source_key")
        own = self.entity_of(golden_id)
        if self.by_id:
            rows = self.index.of(golden_id, RELATIONS, golden_id, golden_id, golden_id)
            place = {name: i for i, name in enumerate(self.manifest.entities)}
            rows.sort(key=lambda row: place[row[0]])
            return [dict(zip(names, row[1:], strict=True)) for row in rows]
        found: list[Document] = []
        for name in self.manifest.entities:
            # A table lies in the order of its from_id and holds relations from its own entity type only.
            ends = ["from_id = $id", "to_id = $id and from_id <> $id"] if name == own else ["to_id = $id"]
            asked = " union all ".join(
                "select from_id, type, to_id, to_name, since::varchar as since, until::varchar, source, source_key "
                f"from t where {end}"
                for end in ends
            )
            order = "order by type, from_id, to_id, to_name, since, source, source_key"
            rows = self.rows(name, "relation", f"select * from ({asked}) {order}", {"id": golden_id})
            found += [dict(zip(names, row, strict=True)) for row in rows]
        return found

    def related(self, golden_id: str, depth: int = 1, as_of: date | None = None) -> list[Document]:
        """The relations within `depth` steps of a golden id, each once, nearest first; `step` says how far.

        Raises:
            NotFoundError: the id is malformed or was never issued.
        """
        start = self.show(golden_id)["golden_id"]
        reached, edge = {start}, [start]
        found: dict[tuple[str, ...], Document] = {}
        for step in range(1, depth + 1):
            ahead: list[str] = []
            for at in edge:
                for one in self.relations(at):
                    if not _in_force(one, as_of):
                        continue
                    ends = (one["from_id"], one["type"], one["to_id"] or "", one["to_name"] or "")
                    found.setdefault(ends, one | {"step": step})
                    for other in (one["from_id"], one["to_id"]):
                        if other is not None and other not in reached:
                            reached.add(other)
                            ahead.append(other)
            edge = ahead
        return list(found.values())

    def changes(self, since: int = 0, entity: str | None = None, limit: int | None = None) -> Iterator[Document]:
        """Every event of every release up to this one with a number above `since`, in order; the first `limit`."""
        if self.by_id:
            yield from self._events_after(since, entity, limit)
            return
        left = limit
        for release in lineage(self.folder):
            manifest = read_manifest(release)
            if manifest.next_seq <= since + 1:
                continue
            for name in sorted(manifest.entities, key=lambda n: self._first_seq(release, n)):
                if entity in (None, name) and left != 0:
                    rows = self._query(
                        release / name,
                        "change",
                        "select seq, golden_id, kind, into_id, release, t.at::varchar from t "
                        "where seq > ? order by seq limit ?",
                        [since, left],
                    )
                    left = None if left is None else left - len(rows)
                    for row in rows:
                        names = ("seq", "golden_id", "kind", "into_id", "release", "at")
                        yield dict(zip(names, row, strict=True)) | {"entity": name}

    def _events_after(self, since: int, entity: str | None, limit: int | None) -> Iterator[Document]:
        """The events in the look-up index, where it has them."""
        prefixes = {state.prefix: name for name, state in self.manifest.entities.items() if entity in (None, name)}
        if not prefixes:
            return
        names = ("seq", "golden_id", "kind", "into_id", "release", "at")
        of = " or ".join(["golden_id glob ?"] * len(prefixes))
        sql = (
            f"select {', '.join(names)} from event where seq > ? and shown_by = golden_id and ({of}) "
            "order by seq limit ?"
        )
        patterns = (f"{prefix}[0-9]*" for prefix in prefixes)
        told = self.index.of_all(sql, since, *patterns, -1 if limit is None else limit)
        for row in islice(heapq.merge(*told), limit):
            yield dict(zip(names, row, strict=True)) | {"entity": prefixes[_PREFIX.findall(row[1])[0]]}

    def entity_of(self, golden_id: str) -> str:
        """The entity type of a golden id (NotFoundError: it is malformed, or of no type of this release)."""
        parts = parse(golden_id)
        if parts is None:
            raise NotFoundError(f"{golden_id!r} is no golden id: its check character or its shape is wrong")
        for name, state in self.manifest.entities.items():
            if state.prefix == parts.prefix:
                return name
        raise NotFoundError(f"{golden_id}: no entity type of this release has the prefix {parts.prefix!r}")

    def heirs(self, golden_id: str) -> list[str]:
        """The living ids that `golden_id` stands for, through every merge; itself where it lives or just ended."""
        seen, at = {golden_id}, golden_id
        while True:
            if self.index.of(at, "select 1 from golden where golden_id = ?", at):
                return [at]
            rows = self.index.of(at, REDIRECT, at)
            if not rows or rows[0][0] != "merged":
                return [at]
            at = json.loads(rows[0][1])[0]
            if at in seen:
                raise NotFoundError(f"the redirects of {golden_id} run in a circle; the release is damaged")
            seen.add(at)

    def _members(self, entity: str, golden_id: str) -> list[tuple[str, str]]:
        if self.by_id:
            members = "select source, source_key from member where golden_id = ? order by 1, 2"
            return self.index.of(golden_id, members, golden_id)
        sql = "select source, source_key from t where golden_id = ? and until is null order by source, source_key"
        return self.rows(entity, "crosswalk", sql, [golden_id])

    def _values(self, entity: str, golden_id: str) -> list[Document]:
        if entity not in self._provenance:
            self._provenance[entity] = RowsOf(self.folder / entity, "provenance")
        found = self._provenance[entity].rows(golden_id)
        return sorted(found, key=lambda one: (one["field"], one["valid_from"] is None, one["valid_from"] or date.min))

    def _losers(self, entity: str, golden_id: str) -> dict[str, list[Document]]:
        """By field, the records that say something else than its current value."""
        names = ("field", "source", "source_key", "said", "observed_on")
        rows: list[tuple[Any, ...]] = []
        if self.by_id:
            disputes = f"select {', '.join(names)} from dispute where golden_id = ? order by position"
            rows = self.index.of(golden_id, disputes, golden_id)
        elif has_table(self.folder / entity, "dispute"):
            sql = (
                "select field, source, source_key, said, observed_on::varchar from t "
                "where golden_id = ? order by field, source, source_key, said"
            )
            rows = self.rows(entity, "dispute", sql, [golden_id])
        found: dict[str, list[Document]] = {}
        for one in (dict(zip(names, row, strict=True)) for row in rows):
            found.setdefault(str(one.pop("field")), []).append(one)
        return found

    def _events(self, entity: str, golden_id: str) -> list[Document]:
        events = self.index.of(golden_id, EVENTS, golden_id) if self.by_id else self._events_told(entity, golden_id)
        return [
            {"event": kind, "seq": seq, "golden_id": who, "into_id": into, "release": release, "at": at}
            for seq, who, kind, into, release, at in events
        ]

    def _events_told(self, entity: str, golden_id: str) -> list[tuple[Any, ...]]:
        """The events of an id, out of every release up to this one."""
        events = []
        for release in lineage(self.folder):
            if has_table(release / entity, "change"):
                events += self._query(
                    release / entity,
                    "change",
                    "select seq, golden_id, kind, into_id, release, t.at::varchar from t "
                    "where golden_id = ? or into_id = ? order by seq",
                    [golden_id, golden_id],
                )
        return events

    def _states(self, entity: str, golden_id: str) -> list[Document]:
        """The states that a golden record went through, where its entity type has a life cycle."""
        names = ("state", "since", "until", "event", "source", "source_key")
        rows: list[tuple[Any, ...]] = []
        if self.by_id:
            states = f"select {', '.join(names)} from state where golden_id = ? order by position"
            rows = self.index.of(golden_id, states, golden_id)
        elif has_table(self.folder / entity, "state"):
            sql = (
                "select state, since::varchar, until::varchar, event, source, source_key from t where golden_id = ? "
                "order by since nulls first, source, source_key"
            )
            rows = self.rows(entity, "state", sql, [golden_id])
        return [dict(zip(names, row, strict=True)) for row in rows]

    def _state(self, entity: str, golden_id: str, as_of: date) -> str | None:
        """The state on a day, None where the states do not tell."""
        for one in self._states(entity, golden_id):
            if _in_force(one, as_of):
                return str(one["state"])
        return None

    def _first_seq(self, release: Path, entity: str) -> int:
        return int(self._query(release / entity, "change", "select coalesce(min(seq), 0) from t", [])[0][0])

    def rows(self, entity: str, table: str, sql: str, values: Any) -> list[tuple[Any, ...]]:
        """The rows of a query over `t`, a table of an entity type."""
        return self._query(self.folder / entity, table, sql, values)

    def lookup(self, sql: str, *values: str) -> list[tuple[Any, ...]]:
        """The rows of a query over the whole look-up index, one partition after the other."""
        return [row for rows in self.index.of_all(sql, *values) for row in rows]

    def _tables(self) -> duckdb.DuckDBPyConnection:
        """What reads Parquet; opened when it is asked for the first time, for most answers stand in the index."""
        if self._opened is None:
            self._opened = duckdb.connect()
            self._opened.execute("set parquet_metadata_cache = true")  # the files of a release never change
        return self._opened

    def _query(self, folder: Path, table: str, sql: str, values: Any) -> list[tuple[Any, ...]]:
        return self._tables().execute(f"with t as {table_sql(folder, table)} {sql}", values).fetchall()


def _holds(value: Document, as_of: date | None) -> bool:
    if as_of is None or (value["valid_to"] is None and value["valid_from"] is None):
        return value["valid_to"] is None
    started = value["valid_from"] is None or value["valid_from"] <= as_of
    return started and (value["valid_to"] is None or as_of < value["valid_to"])


def _in_force(dated: Document, as_of: date | None) -> bool:
    """Whether something with `since` and `until` held on a day; without a day everything counts."""
    if as_of is None:
        return True
    day = as_of.isoformat()
    return (dated["since"] is None or dated["since"] <= day) and (dated["until"] is None or day < dated["until"])


def _shown(value: Document, losers: dict[str, list[Document]]) -> Document:
    """A value with its record, its state and who says otherwise; a past one has neither state nor losers."""
    told = {name: value[name] for name in ("value", "source", "source_key", "rule", "agree", "differ")}
    current = value["valid_to"] is None
    return told | {"state": value.get("state"), "losers": losers.get(value["field"], []) if current else []}


def _past(values: list[Document]) -> list[Document]:
    """Every period of the fields that had more than one value, so that codes and names show by year."""
    dated = {v["field"] for v in values if v["valid_to"] is not None}
    return [
        {
            "field": v["field"],
            "value": v["value"],
            "valid_from": _text(v["valid_from"]),
            "last_seen": _text(v["last_seen"]),
            "valid_to": _text(v["valid_to"]),
        }
        for v in values
        if v["field"] in dated
    ]


def _text(day: date | None) -> str | None:
    return day.isoformat() if day else None
