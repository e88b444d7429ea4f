"""与户主关系: what a member of a household is to its head, by GB/T 4761-2008 (codes of 1984 are mapped).

The relation is one to *the head*: when the head changes, everybody's relation changes, and 子 of the one head is
兄 to the next. So two different relations speak against each other only weakly, and only where they contradict.
A single digit says nothing: 1 may be 01 that lost its zero, or 配偶 in a list of one-digit classes.

Columns: `class` self | spouse | child | grandchild | parent | grandparent | sibling | other; `generation` how far
above the head (parents 1, children -1, 曾祖 3, 曾孙 -3), null where the code does not tell; `rank` 1 for 长, 2 for
次 …; `sex` as in GB/T 2261.1, null where the code names no sex; `in_law` whether the relation is by a marriage
other than the head's own.
"""

from __future__ import annotations

from rules.kinds.base import Comparison, Finding, Kind, Level, Options, literal
from rules.kinds.text import NARROW, WIDE, swap

_CLASSES = {
    "0": "self",
    "1": "spouse",
    "2": "child",
    "3": "child",
    "4": "grandchild",
    "5": "parent",
    "6": "grandparent",
    "7": "sibling",
    "8": "other",
    "9": "other",
}
_GENERATIONS = {"0": 0, "1": 0, "2": -1, "3": -1, "4": -2, "5": 1, "6": 2, "7": 0, "8": 1, "9": -1}
# Codes whose generation is not that of their tens.
_OTHER_GENERATIONS = {
    "null::tinyint": ("80", "97", "98", "99"),
    "-3": ("47", "48"),
    "3": ("66", "67", "68"),
    "1": ("90",),
    "0": ("91", "92"),
}
_MEN = "11 41 43 46 47 51 53 55 57 61 63 66 71 73 76 78 81 83 85 87 89 93 95"
_WOMEN = "12 42 44 45 48 52 54 56 58 62 64 67 72 74 75 77 82 84 86 88 90 94 96"
_IN_LAW = "28 38 45 46 53 54 55 56 65 68 72 74 76 78 82 84 86 87 89"

# 户主之妻, 户主的长子, 之子, 与户主关系：妻
_LEAD = "^(?:与?(?:户主|本人)(?:的?关系|之|的)[:：]?|之)(.)"


class RelationCode(Kind):
    """The kind `relation_code`."""

    def parse(self, raw: str, options: Options) -> str:
        plain = f"regexp_replace({swap('raw', WIDE, NARROW)}, '^''|\\s+', '', 'g')"
        return f"""
        with spoken as (
            select code, unnest(list_distinct([code, zh, en] || string_split(coalesce(aliases, ''), '|'))) as word
            from reference.codes where list = 'gb4761'
        ), word as (
            select lower(regexp_replace(word, '\\s+', '', 'g')) as word, min(code) as code
            from spoken where word <> '' group by all
        ), said as (
            select raw, regexp_replace(
                lower(regexp_replace({plain}, '{_LEAD}', '\\1')), '^([0-9]+)\\.0$', '\\1') as said
            from {raw}
        ), coded as (select raw, said, w.code from said left join word w on w.word = said)
        select raw, coalesce(code, trim(raw)) as value, code as key,
            {_tens(_CLASSES)} as class,
            cast(case {_other_generations()} else {_tens(_GENERATIONS)} end as tinyint) as generation,
            cast(case when code between '22' and '26' or code between '32' and '36'
                      then right(code, 1)::integer - 1 end as tinyint) as rank,
            case when left(code, 1) = '2' or contains('{_MEN}', code) then '1'
                 when left(code, 1) = '3' or contains('{_WOMEN}', code) then '2' end as sex,
            contains('{_IN_LAW}', code) as in_law,
            case when code is not null then []::varchar[]
                 when regexp_full_match(said, '[0-9]') then ['relation_one_digit']
                 else ['relation_unknown'] end as findings
        from coded"""

    def compare(self, column: str, options: Options) -> Comparison:
        def equal(name: str) -> str:
            return f"{column}__{name}_l = {column}__{name}_r"

        def apart(name: str) -> str:
            return f"coalesce({column}__{name}_l <> {column}__{name}_r, false)"

        one_class = f"{equal('class')} and {column}__class_l <> 'other'"
        return Comparison(
            f"{column}__key_l is null or {column}__key_r is null",
            (
                Level("same", equal("key"), f"{column}__key"),
                Level(
                    "compatible",
                    f"{one_class} and {equal('in_law')} and not {apart('generation')} and not {apart('sex')} "
                    f"and not {apart('rank')}",
                ),
                Level("same_class", one_class),
                Level("opposed", f"{apart('class')} and {column}__class_l <> 'other' and {column}__class_r <> 'other'"),
            ),
        )

    def mask(self, value: str) -> str:
        """A code names nobody; a text that is no code (张三之妻) may."""
        return value if len(value) <= 2 else value[0] + "*" * (len(value) - 1)


def _tens(meanings: dict[str, str] | dict[str, int]) -> str:
    """SQL: what the first digit of the code says."""
    cases = " ".join(
        f"when '{digit}' then {literal(said) if isinstance(said, str) else said}" for digit, said in meanings.items()
    )
    return f"case left(code, 1) {cases} end"


def _other_generations() -> str:
    """SQL: the codes whose generation the first digit does not tell."""
    return " ".join(
        f"when code in ({', '.join(map(literal, codes))}) then {generation}"
        for generation, codes in _OTHER_GENERATIONS.items()
    )


RELATION_CODE = RelationCode(
    name="relation_code",
    columns={"class": "VARCHAR", "generation": "TINYINT", "rank": "TINYINT", "sex": "VARCHAR", "in_law": "BOOLEAN"},
    findings={
        "relation_unknown": Finding("warn", "与户主关系代码不在代码表中", "the relation is in no list"),
        "relation_one_digit": Finding(
            "warn", "关系代码只有一位,无法判断", "one digit: a code that lost its zero, or a coarser list"
        ),
    },
    references=("codes",),
    ascii=frozenset({"key", "class", "sex"}),
)
