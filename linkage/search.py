"""Looks one record up in the packed store of an entity type: who it may be, before it is loaded anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from linkage.kernel.match import Compiled
from linkage.kernel.search import Candidate, Index
from linkage.kernel.store import Known, Made
from linkage.one_record import RecordReader
from rules.columns import quote
from rules.errors import NotFoundError
from rules.kinds import KINDS
from rules.model import EntityRules


@dataclass(frozen=True)
class Search:
    """An opened store and what reads records for it. One thread at a time may use it."""

    index: Index
    reader: RecordReader

    @classmethod
    def open(cls, folder: Path, rules: EntityRules, rules_folder: Path, as_of: date) -> Search:
        """Open the store in `folder`, made by these rules; records are read as seen on `as_of`.

        Raises:
            NotFoundError: there is no store that this version can read.
        """
        made = Made.read(folder)
        if made is None:
            raise NotFoundError(
                f"there is no match index of {rules.name} that this version can read; run 'shuyuan link' and publish"
            )
        con = duckdb.connect()
        con.execute("set threads = 1")
        con.execute(f"create table standard ({', '.join(f'{quote(n)} {t}' for n, t in made.standard.items())})")
        compiled = Compiled.of(con, rules.entity)
        # What conditions ask about a handful of pairs is answered sooner than it is optimized.
        con.execute("pragma disable_optimizer")
        index = Index(con, rules, compiled, folder)
        # What a text means may turn with the day.
        known = {
            field: Known.open(folder, field)
            for field, rule in rules.entity.fields.items()
            if made.as_of == as_of.isoformat() or "$as_of" not in KINDS[rule.kind].parse("raw", rule.options)
        }
        reader = RecordReader(rules, rules_folder, as_of, made.standard, compiled.needed, compiled.adjusted, known)
        return cls(index, reader)

    def close(self) -> None:
        self.index.con.close()
        self.reader.close()

    def candidates(
        self, said: Mapping[str, str | None], source: str | None = None, limit: int | None = None
    ) -> list[Candidate]:
        """The source records that may be one with a record that says `said`, field by field, best first.

        Raises:
            InputError: a field that the entity type does not have.
        """
        return self.index.search(self.reader.read(said, source), limit)
