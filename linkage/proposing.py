"""Writes rules for unknown files: fields, comparisons, blocking and sources, each with a comment that says why.

Reads: a profile. Writes nothing; pure functions that give TOML.

Comparisons have the levels of their kind where it knows more than text. Latin words are compared by Jaro-Winkler
(Winkler 1990), numbers and code-like texts by the edits that typing makes (Damerau 1964), e-mail addresses by their
parts; where two columns of words hold the same words, exchanged ones are a level of both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from linkage.profiling import Column, Profile
from linkage.suggesting import as_toml, quoted
from rules.model import BlockingRule

U_PAIRS = 300_000  # equalities are counted exactly; levels of likeness are seen often enough


@dataclass(frozen=True)
class Settings:
    """What is learned from the records themselves: how they are blocked, trained and judged."""

    blocking: tuple[BlockingRule, ...]
    em: tuple[tuple[str, ...], ...]
    pairs_per_record: float
    accept: float
    review: float
    budget: float


def entity_toml(entity: str, profile: Profile, settings: Settings, swapped: Sequence[tuple[str, str]]) -> str:
    """`entity.toml`."""
    left_out = [f"#   {one.heading}: {one.reason}" for one in profile.columns if not one.taken]
    parts = [
        f"# {entity}: proposed by `shuyuan init --from` from {sum(one.rows for one in profile.files):,} rows.",
        "# Nobody knows these columns better than you: read the comments, change what is wrong, then `shuyuan train`.",
        *(["#", "# Left out:", *left_out] if left_out else []),
        "",
        f'entity = "{entity}"',
        f'prefix = "{entity[0].upper()}"',
        f'title = {{ zh = "{entity}", en = "{entity}" }}',
        *(line for column in profile.fields for line in _field(column)),
        *_derived(profile),
        "",
        "# ── candidate pairs ──────────────────────────────────────────────────────────────────────────────────",
        "# Found by a greedy cover of the pairs that look like one entity; 'shuyuan blocking' counts what each costs.",
        "",
        "\n".join(as_toml(rule) for rule in settings.blocking),
        "# ── comparisons ─────────────────────────────────────────────────────────────────────────────────────",
        *(line for column in profile.fields for line in _comparison(column, profile, swapped)),
        "",
        "[matching]",
        "# From this weight on the expected F1 is greatest, if the weights are right.",
        f"accept = {settings.accept:.1f}",
        f"review = {settings.review:.1f}",
        f"pairs_per_record = {settings.pairs_per_record:.3g}",
        f"budget = {settings.budget:.0f}",
        "",
        "[training]",
        f"u_pairs = {U_PAIRS:.0e}",
        f"em = [{', '.join('[' + ', '.join(quoted(key) for key in keys) + ']' for keys in settings.em)}]",
    ]
    return "\n".join(parts) + "\n"


def sources_toml(profile: Profile) -> str:
    """`sources.toml`: one source for each file."""
    lines = []
    for one in profile.files:
        fields = [column for column in profile.fields if column.heading in one.headings]
        lines += [
            f"# {one.rows:,} rows; every row has another value in {' and '.join(one.key)}.",
            f"[sources.{one.source}]",
            f"title = {{ zh = {quoted(one.source)}, en = {quoted(one.source)} }}",
            f"owner = {quoted(one.source)}",
            f"files = [{quoted(one.path.name)}]",
            f"key = [{', '.join(quoted(heading) for heading in one.key)}]",
            'delivery = "snapshot"',
            "",
            f"[sources.{one.source}.columns]",
            *(f"{column.field} = {quoted(column.heading)}" for column in fields),
            "",
        ]
    return "\n".join(lines)


def _field(column: Column) -> Iterator[str]:
    yield ""
    yield f"# {column.heading}: {column.reason}."
    yield f"# Filled in {column.fill:.0%} of the rows, {column.distinct:,} different."
    yield f"[fields.{column.field}]"
    yield f'kind = "{column.kind}"'
    yield f"title = {{ zh = {quoted(column.heading)}, en = {quoted(column.heading)} }}"
    if column.kind == "text" and column.role in ("words", "mail"):
        yield 'options = { script = "latin" }'
    if column.identifies:
        yield "identifier = true"


def _derived(profile: Profile) -> Iterator[str]:
    mails = [column.field for column in profile.fields if column.role == "mail"]
    if mails:
        yield ""
        yield "[derive]"
    for field in mails:
        yield f"{field}_box = \"split_part({field}__key, '@', 1)\""


def _comparison(column: Column, profile: Profile, swapped: Sequence[tuple[str, str]]) -> Iterator[str]:
    """The comparison of a field, its levels the most similar first."""
    f = column.field
    null = f"{f}__key_l is null or {f}__key_r is null"
    exact = ("the same", f"{f}__key_l = {f}__key_r", f"{f}__key")
    distance = f"damerau_levenshtein({f}__ascii_l, {f}__ascii_r)"
    likeness = f"jaro_winkler_similarity({f}__ascii_l, {f}__ascii_r)"
    others = [b if a == f else a for a, b in swapped if f in (a, b)]
    exchanged = [
        (f"exchanged with {other}", f"{f}__key_l = {other}__key_r and {other}__key_l = {f}__key_r", None)
        for other in others
    ]
    levels: list[tuple[str, str, str | None]]
    if column.role == "kind":
        yield from ("", "[[comparisons]]", f'name = "{f}"', f'field = "{f}"')
        return
    if column.role == "number":
        levels = [exact, ("one typing error", f"{distance} <= 1", None)]
        levels += [("two typing errors", f"{distance} <= 2", None)] if column.length >= 6 else []
    elif column.role == "code":
        levels = [exact]
    elif column.role == "mail":
        levels = [
            exact,
            ("the same before the @", f"{f}_box_l = {f}_box_r", None),
            ("alike", f"{likeness} >= 0.9", None),
        ]
    else:
        levels = [
            exact,
            *exchanged,
            ("nearly the same", f"{likeness} >= 0.92", None),
            ("alike", f"{likeness} >= 0.8", None),
        ]
    yield from ("", "[[comparisons]]", f'name = "{f}"', f'null = "{null}"', "own = [")
    for label, when, frequency in levels:
        adjusted = f', term_frequency = "{frequency}"' if frequency else ""
        yield f'  {{ label = "{label}", when = "{when}"{adjusted} }},'
    yield "]"
