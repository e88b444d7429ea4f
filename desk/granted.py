"""What a grant shows of the queue and of the tickets, and how an item is laid out on a page.

Values are masked unless clear text was opened; the characters in which two values differ are marked all the same:
that they differ, and where, is what a steward decides by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from desk import words
from desk.access import Grant
from desk.differing import Pieces, marked
from desk.drawing import Waterfall, waterfall
from desk.language import Language, titled, translator
from desk.sight import Sight
from golden_records.queue import Queue, Where
from golden_records.tickets import Ticket
from linkage.items import Item
from rules.errors import DeniedError
from rules.masking import mask_value
from rules.model import EntityRules, Rules
from rules.titles import comparison_title, level_title

MOST = 100  # items on one page


def parts(grant: Grant, rules: Rules, where: Where) -> list[Where]:
    """The parts of the queue that both `where` and the grant name."""
    entities: Sequence[str | None] = (where.entity,)
    if where.entity is None and grant.entities is not None:
        entities = [name for name in rules.entities if name in grant.entities]
    regions = [where.region]
    if grant.regions is not None:
        regions = [max(where.region, one, key=len) for one in grant.regions if _nested(where.region, one)]
    allowed = [name for name in entities if name is None or grant.sees_entity(name)]
    return [Where(entity, region, where.line) for entity in allowed for region in regions]


def waiting(queue: Queue, grant: Grant, where: Where) -> list[Item]:
    """What waits of what was granted, in the order of the queue; `MOST` at most."""
    found: dict[str, Item] = {}
    pieces = parts(grant, queue.rules, where)
    for part in pieces:
        found |= {one.item: one for one in queue.items(part, MOST)}
    if len(pieces) < 2:
        return list(found.values())
    return sorted(found.values(), key=lambda one: (-one.waiting.worth.value, one.item))[:MOST]


def claim(queue: Queue, grant: Grant, steward: str, count: int, where: Where) -> list[Item]:
    """Hold the next items of what was granted."""
    taken: list[Item] = []
    for part in parts(grant, queue.rules, where):
        if len(taken) < count:
            taken += queue.claim(steward, count - len(taken), part)
    return taken


def must_see_item(grant: Grant, item: Item) -> None:
    """DeniedError unless the grant shows what the item is about."""
    if not grant.sees_entity(item.entity) or not grant.sees_region([item.waiting.region]):
        raise DeniedError("this item is not in the entity types and regions that were granted")


def sees_ticket(sight: Sight, ticket: Ticket) -> bool:
    """Whether a grant shows a ticket: its entity type, its field, and where its golden record is."""
    if not sight.grant.sees_entity(ticket.entity) or not sight.grant.sees_attribute(ticket.field):
        return False
    held = sight.release.find(ticket.entity, ticket.source, ticket.source_key)
    return sight.grant.regions is None or bool(sight.visible(one["golden_id"] for one in held))


@dataclass(frozen=True)
class Row:
    """One field of an item: what each record says, in stretches.

    how  same, differ, form (written in two ways, read as one value) or one (only one says something)
    """

    field: str
    title: str
    said: tuple[Pieces | None, ...]
    how: str


@dataclass(frozen=True)
class Page:
    """An item as a page shows it."""

    item: Item
    reason: str
    records: tuple[dict[str, Any], ...]
    rows: tuple[Row, ...]
    weights: Waterfall | None
    worth: str
    clear: bool


def page_of(item: Item, one: EntityRules, grant: Grant, language: Language, clear: bool, folder: Path) -> Page:
    """The item, in a language, as far as the grant shows it."""
    translate = translator(language)
    pair = item.waiting
    records = tuple(
        {
            "source": source,
            "key": key,
            "title": titled(one.sources.sources[source].title, language) if source in one.sources.sources else source,
        }
        for source, key in pair.subjects
    )
    rows = tuple(
        _row(one, item, name, language, clear)
        for name in pair.said
        if grant.sees_attribute(name) and name in one.entity.fields
    )
    worth = pair.worth
    disputed = [titled(one.entity.fields[name].title, language) for name in worth.disputed if name in one.entity.fields]
    told = translate(
        "%(value)s = %(closeness)s close to the line × (records moved: %(moved)s + attributes that differ: "
        "%(differ)s%(named)s + 3 × events waiting: %(events)s)",
        value=f"{worth.value:.2f}",
        closeness=f"{worth.closeness:.2f}",
        moved=worth.moved,
        differ=len(disputed),
        named=f" ({', '.join(disputed)})" if disputed else "",
        events=len(worth.events),
    )
    weights = _weights(item, one, language, folder)
    return Page(item, words.reason(pair.reason, translate), records, rows, weights, told, clear)


def _row(one: EntityRules, item: Item, name: str, language: Language, clear: bool) -> Row:
    values = item.waiting.said[name]
    title = titled(one.entity.fields[name].title, language)
    shown = [value if clear else mask_value(one.entity, name, value) for value in values]
    if len(values) == 2 and all(values):
        left, right = (str(value) for value in values)
        pieces = marked(left, right, (str(shown[0]), str(shown[1])))
        read_as_one = one.entity.fields[name].golden and item.waiting.verdict != "again"
        form = "form" if read_as_one and name not in item.waiting.worth.disputed else "differ"
        return Row(name, title, pieces, "same" if left == right else form)
    whole = tuple(marked(text, text)[0] if text else None for text in shown)
    said = {value for value in values if value}
    return Row(name, title, whole, "one" if len(said) < 2 and None in values else "differ" if len(said) > 1 else "same")


def _weights(item: Item, one: EntityRules, language: Language, folder: Path) -> Waterfall | None:
    total, translate = item.waiting.match_weight, translator(language)
    if total is None:
        return None
    steps = []
    for name, (level, weight) in item.waiting.levels.items():
        title = titled(comparison_title(folder, one.entity, name), language)
        steps.append((title, titled(level_title(folder, level), language), weight))
    prior = total - sum(weight for *_, weight in steps)
    matching = one.entity.matching
    first = (translate("prior"), "", prior)
    return waterfall([first, *steps], (translate("sum"), total), (matching.review, matching.accept))


def _nested(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)
