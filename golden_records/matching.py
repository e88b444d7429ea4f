"""Search before create: who a record may be that does not exist yet, in a release and nowhere else.

    existing   one golden record holds records that linking would accept, and no other one does
    steward    some record is doubtful, held by a guard, or two golden records would be accepted
    new        no record is worth a second look

It is no promise: what a batch decides it decides over all records, under the constraints of clusters.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from golden_records.match_index import MATCH, RULES
from golden_records.partitions import index_files
from golden_records.query import Release
from linkage.kernel.search import Candidate
from linkage.search import Search
from rules.errors import NotFoundError
from rules.loader import load_rules
from rules.model import Rules

AHEAD = 1 << 18  # bytes that are read at once
Answer = Literal["existing", "steward", "new"]


@dataclass(frozen=True)
class Found:
    """A golden record that a record may belong to: its best record's weight, verdict and levels, and all that match."""

    golden_id: str
    weight: float
    verdict: str
    levels: dict[str, tuple[str, float]]
    records: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Matched:
    """The answer, and the golden records that it rests on, best first."""

    answer: Answer
    release: int
    found: tuple[Found, ...]

    def document(self) -> dict[str, Any]:
        """The answer as JSON."""
        return {
            "answer": self.answer,
            "release": self.release,
            "candidates": [
                {
                    "golden_id": one.golden_id,
                    "weight": round(one.weight, 4),
                    "verdict": one.verdict,
                    "levels": {name: {"level": said, "weight": round(w, 4)} for name, (said, w) in one.levels.items()},
                    "records": [{"source": source, "source_key": key} for source, key in one.records],
                }
                for one in self.found
            ],
        }


class Matcher:
    """The match indexes of a release, each opened when it is first asked. One thread at a time may ask."""

    def __init__(self, release: Release) -> None:
        self.release = release
        self._rules: Rules | None = None
        self._open: dict[str, Search] = {}

    def close(self) -> None:
        for one in self._open.values():
            one.close()

    @property
    def opened(self) -> tuple[str, ...]:
        """The entity types whose index is open."""
        return tuple(self._open)

    def open(self, entities: Iterable[str]) -> None:
        """Open the indexes of entity types before anybody asks; one that the release lacks is passed over."""
        for entity in entities:
            with suppress(NotFoundError):
                self._search(entity)

    def match(self, entity: str, said: Mapping[str, str | None], source: str | None = None, limit: int = 10) -> Matched:
        """Who a record of an entity type that says `said` may be; at most `limit` golden records.

        Raises:
            NotFoundError: the release has no such entity type, or no match index of it.
            InputError: a field that the entity type does not have.
        """
        found: dict[str, list[Candidate]] = {}
        for one in self._search(entity).candidates(said, source):
            for golden in self.release.find(entity, one.source, one.source_key):
                found.setdefault(golden["golden_id"], []).append(one)
        ranked = tuple(_found(golden_id, candidates) for golden_id, candidates in found.items())
        return Matched(_answer(ranked), self.release.manifest.release, ranked[:limit])

    @property
    def rules(self) -> Rules:
        """The rules that the release was made with."""
        if self._rules is None:
            folder = self.release.folder / RULES
            if not folder.is_dir():
                raise NotFoundError(
                    f"release {self.release.manifest.release} keeps no rules and has no match index; "
                    "run 'shuyuan link' and publish again"
                )
            self._rules = load_rules(folder)
        return self._rules

    def _search(self, entity: str) -> Search:
        if entity not in self._open:
            if entity not in self.release.manifest.entities:
                known = ", ".join(self.release.manifest.entities)
                raise NotFoundError(
                    f"release {self.release.manifest.release} has no entity type {entity!r}; it has {known}"
                )
            one = self.rules.entities[entity]
            folder = self.release.folder / entity / MATCH
            self._open[entity] = Search.open(folder, one, self.rules.folder, self.release.manifest.as_of)
        return self._open[entity]


def read_ahead(release: Path, room: int | None = None) -> int:
    """Read what is searched of a release, so that it is in the system's cache when somebody asks; gives the bytes.

    A search looks at a few pages here and there, each of which a disk takes as long to bring as the rest of the search
    takes. It is read piece by piece: whoever asks meanwhile waits behind one piece, not behind all. Match indexes come
    before look-up indexes. What would take more than `room` bytes, by default half of the memory of the machine, is
    left to whoever asks for it.
    """
    left = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2 if room is None else room
    told, piece = 0, bytearray(AHEAD)
    for path in [*sorted(release.glob(f"*/{MATCH}/**/*.arrow")), *index_files(release)]:
        size = path.stat().st_size if path.is_file() else left + 1
        if told + size > left:
            continue
        with path.open("rb", buffering=0) as file:
            while file.readinto(piece):
                pass
        told += size
    return told


def _found(golden_id: str, candidates: list[Candidate]) -> Found:
    best = candidates[0]  # they come best first
    records = tuple((one.source, one.source_key) for one in candidates)
    return Found(golden_id, best.weight, best.verdict, best.levels, records)


def _answer(found: tuple[Found, ...]) -> Answer:
    if not found:
        return "new"
    accepted = [one for one in found if one.verdict == "accept"]
    return "existing" if len(accepted) == 1 and found[0] is accepted[0] else "steward"
