"""Where many source records went, now or on a day.

Reads: source_key and golden of the look-up index; for a day, crosswalk.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from golden_records.query import Release
from linkage.decided import SourceRecord

NOW = """
select s.source, s.source_key, s.golden_id
from json_each(?) as j
cross join source_key as s on s.entity = ? and s.source = j.value ->> 0 and s.source_key = j.value ->> 1
"""
LIVING = "select golden_id from json_each(?) cross join golden on golden_id = value"
Places = dict[SourceRecord, list[tuple[str, str]]]


def places(
    release: Release, records: Iterable[SourceRecord], entities: Sequence[str], as_of: date | None = None
) -> Places:
    """The golden records that hold source records: (source, source_key) -> [(entity, golden_id)].

    Without a day the ids that live now, of a withdrawn record the last that held it. With a day, what held it then, as
    the crosswalk of this release tells it; such an id may have been merged since. Records that are nowhere are left
    out.
    """
    wanted = list(dict.fromkeys(records))
    found: Places = {}
    for entity in entities:
        rows = _then(release, entity, wanted, as_of) if as_of else _now(release, entity, wanted)
        for record, golden_id in rows:
            found.setdefault(record, []).append((entity, golden_id))
    return found


def _now(release: Release, entity: str, records: list[SourceRecord]) -> list[tuple[SourceRecord, str]]:
    """A statement for all records of a partition; only an id that does not live any more is followed to its heirs."""
    rows = release.index.of_each(records, [key for _, key in records], NOW, entity)
    placed = {(source, key): golden_id for source, key, golden_id in rows}
    held = list(dict.fromkeys(placed.values()))
    living = {row[0] for row in release.index.of_each(held, held, LIVING)}
    return [
        (record, heir)
        for record in records
        if record in placed
        for heir in ([placed[record]] if placed[record] in living else release.heirs(placed[record]))
    ]


def _then(release: Release, entity: str, records: list[SourceRecord], as_of: date) -> list[tuple[SourceRecord, str]]:
    rows = release.rows(
        entity,
        "crosswalk",
        "select source, source_key, golden_id from t "
        "join (select unnest($sources) as source, unnest($keys) as source_key) using (source, source_key) "
        "where (since is null or since <= $day) and (until is null or $day < until) "
        "order by source, source_key, golden_id",
        {"sources": [source for source, _ in records], "keys": [key for _, key in records], "day": as_of},
    )
    return [((source, key), golden_id) for source, key, golden_id in rows]
