"""Personal names: Han names, names of the Uyghur, Tibetan and other peoples, Latin names.

A name is compared by characters, by variants, by sound, by shape and by what may be missing or unreadable;
never by a distance over bytes. Variants and the surname classes of `reference.surnames` (肖/萧, 付/傅) are
folded in a key and never in the value. Text is tidied in `name_text`; here the characters become columns.

Columns: `folded` = `key`; `toned` and `toneless` syllables of the whole name by spaces, `alternative` the
same with second readings (覃 qin/tan), `surname` folded, `given`, `shape` five four-corner digits for each
character, `chars` the characters sorted. A name with a wildcard has `wildcard`, a LIKE pattern, instead of
`folded`. Names without a surname (transliterated, Latin) have none, and nothing in `given`.
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

from rules.kinds.base import Comparison, Finding, Kind, Level, Options
from rules.kinds.name_text import QUICK, tidy

_SURNAMES = Path(__file__).resolve().parents[1] / "reference" / "surnames.csv"


class PersonName(Kind):
    """The kind `person_name`."""

    def parse(self, raw: str, options: Options) -> str:
        return f"""
        with {tidy(raw)}, {_quick_heads()}, {_slow_heads()}, head as (
            select * from quick_head union all select * from slow_head
        ), sized as (
            select h.*,
                case when ethnic or (k >= 5 and c.surname is null) then 0
                     when k >= 3 and c.surname is not null then 2
                     when k = 4 and s1.common = '1' and s2.common = '1' then 2
                     when k = 4 and s1.common is null then 0
                     when k >= 2 or s1.surname is not null then 1 else 0 end as size,
                c.surname is not null as compound,
                coalesce(s1.class, x1) as sx1, coalesce(s1.toned, t1) as st1, coalesce(s1.toneless, l1) as sl1,
                coalesce(s1.alternative, case when s1.surname is null then a1 end) as sa1,
                coalesce(s2.class, x2) as sx2, coalesce(s2.toned, t2) as st2, coalesce(s2.toneless, l2) as sl2,
                c.class as cx, c.toned as ct, c.toneless as cl
            from head h
            left join reference.surnames s1 on s1.surname = x1
            left join reference.surnames s2 on s2.surname = x2
            left join reference.surnames c on c.surname = x1 || x2 and length(c.surname) = 2
        ), cut as (
            select raw, value, flags, x1 || x2 || xr like '%\\_%' escape '\\' as gap,
                case when size = 2 and compound then cx when size = 2 then sx1 || sx2
                     when size = 1 then sx1 else '' end as sx,
                case when size = 2 and compound then ct when size = 2 then st1 || ' ' || st2
                     when size = 1 then st1 else '' end as st,
                case when size = 2 and compound then cl when size = 2 then sl1 || ' ' || sl2
                     when size = 1 then sl1 else '' end as sl,
                case when size = 1 then coalesce(sa1, sl1) when size = 2 then sl else '' end as sa,
                case size when 2 then xr when 1 then x2 || xr else x1 || x2 || xr end as gx,
                case size when 2 then tr when 1 then trim(t2 || ' ' || tr) else trim(t1 || ' ' || t2 || ' ' || tr) end as gt,
                case size when 2 then lr when 1 then trim(l2 || ' ' || lr) else trim(l1 || ' ' || l2 || ' ' || lr) end as gl,
                case size when 2 then ar when 1 then trim(coalesce(a2, l2) || ' ' || ar)
                     else trim(coalesce(a1, l1) || ' ' || coalesce(a2, l2) || ' ' || ar) end as ga,
                q1 || q2 || qr as q, size, k
            from sized
        ), whole as (
            select *, sx || gx as x, trim(st || ' ' || gt) as toned, trim(sl || ' ' || gl) as toneless,
                trim(sa || ' ' || ga) as other
            from cut
        )
        select raw, value, folded as key, folded, case when not gap then toned end as toned, toneless,
            case when other <> toneless then other end as alternative,
            case when size > 0 and sx not like '%\\_%' escape '\\' then sx end as surname,
            case when size > 0 then sl end as surname_pinyin,
            case when size > 0 and gx not like '%\\_%' escape '\\' then nullif(gx, '') end as given,
            case when size > 0 then nullif(gl, '') end as given_toneless,
            regexp_replace(toneless, '([a-z])[a-z0-9]* ?', '\\1', 'g') as initials,
            case when not gap then array_to_string(list_sort(string_split(x, '')), '') end as chars,
            case when not gap then q end as shape,
            case when gap then x end as wildcard,
            case when not gap and k > 1 and flags is null then []::varchar[] else list_sort(list_filter(
                [flags, case when gap then 'name_wildcard' end, case when k = 1 then 'name_single' end],
                lambda f: f is not null)) end as findings
        from (select *, case when not gap then x end as folded from whole)
        union all {_latin_names()}
        union all
        select raw, {", ".join(["null"] * (2 + len(self.columns)))}, [flags] from refused"""

    def compare(self, column: str, options: Options) -> Comparison:
        def equal(name: str, other: str = "") -> str:
            return f"{column}__{name}_l = {column}__{other or name}_r"

        folded, wild, shape = ([f"{column}__{name}_{of}" for of in "lr"] for name in ("folded", "wildcard", "shape"))
        toneless = " or ".join((equal("toneless"), equal("toneless", "alternative"), equal("alternative", "toneless")))
        one_differs = " or ".join(
            f"left({folded[0]}, {i}) = left({folded[1]}, {i}) and substr({folded[0]}, {i + 2}) = substr({folded[1]}, {i + 2})"
            for i in range(8)
        )
        corners = f"""case when length({shape[0]}) = length({shape[1]})
            then case when hamming({shape[0]}, {shape[1]}) <= 1 then {one_differs} else false end else false end"""
        wildcard = f"{folded[0]} like {wild[1]} or {folded[1]} like {wild[0]} or {wild[0]} = {wild[1]}"
        same_surname = f"{column}__surname_l is not distinct from {column}__surname_r"
        frequency = f"{column}__toneless"
        return Comparison(
            f"{column}_l is null or {column}_r is null",
            (
                Level("exact", f"{column}_l = {column}_r and {equal('key')}", frequency),
                Level("folded", equal("folded"), frequency),
                Level("toned", f"{equal('toned')} and {same_surname}", frequency),
                Level("toneless", toneless, frequency),
                Level("shape", corners),
                Level("order", equal("chars")),
                Level("missing", _missing(column)),
                Level("wildcard", wildcard),
                Level("given", equal("given")),
            ),
        )

    def mask(self, value: str) -> str:
        """The surname and a star for every other character; of a name without a surname the first letter."""
        kept = 2 if len(value) > 2 and value[:2] in _compound_surnames() else 1
        return value[:kept] + "".join(mark if mark in "· " else "*" for mark in value[kept:])


def _quick_heads() -> str:
    """SQL: names of one to four Han characters, one join for each position."""
    columns = []
    for i in (1, 2, 3, 4):
        columns += [
            f"coalesce(k{i}.folded, c{i}) as x{i}",
            f"coalesce(k{i}.toned, {_nameless(f'c{i}')}) as t{i}",
            f"coalesce(k{i}.toneless, {_nameless(f'c{i}')}) as l{i}",
            f"k{i}.alternative as a{i}",
            f"coalesce(k{i}.four_corner, {_shapeless(f'c{i}')}) as q{i}",
        ]
    joins = " ".join(f"left join reference.characters k{i} on k{i}.char = nullif(c{i}, '')" for i in (1, 2, 3, 4))
    split = ", ".join(f"substr(text, {i}, 1) as c{i}" for i in (1, 2, 3, 4))
    return f"""quick_read as (
            select raw, text, flags, length(text) as k, {", ".join(columns)}
            from (select raw, text, flags, {split} from han where {QUICK}) {joins}
        ), quick_head as (
            select raw, text as value, flags, k, false as ethnic, x1, t1, l1, a1, q1, x2, t2, l2, a2, q2,
                x3 || x4 as xr, trim(t3 || ' ' || t4) as tr, trim(l3 || ' ' || l4) as lr,
                trim(coalesce(a3, l3) || ' ' || coalesce(a4, l4)) as ar, q3 || q4 as qr
            from quick_read
        )"""


def _slow_heads() -> str:
    """SQL: longer names, names with a dot, an unreadable character or Latin letters for one."""
    first_two = ", ".join(
        f"coalesce(xs[{i}], '') as x{i}, case when k >= {i} then ts[{i}] else '' end as t{i}, "
        f"case when k >= {i} then ls[{i}] else '' end as l{i}, als[{i}] as a{i}, coalesce(qs[{i}], '') as q{i}"
        for i in (1, 2)
    )
    return f"""syllable as (select distinct toneless from reference.characters
        ), token as (
            select raw, text like '%·%' or length(text) >= 5 as ethnic,
                unnest(regexp_extract_all(replace(text, '·', ''), '[A-Za-zü]+|.')) as token,
                generate_subscripts(regexp_extract_all(replace(text, '·', ''), '[A-Za-zü]+|.'), 1) as position
            from han where not ({QUICK})
        ), token_read as (
            select raw, position, case when regexp_full_match(token, '[A-Za-zü]+') then '_'
                    else coalesce(c.folded, token) end as x,
                coalesce(c.toned, case when regexp_full_match(token, '\\p{{Han}}') then {_nameless("token")} end) as t,
                coalesce(case when ethnic then e.toneless end, c.toneless, y.toneless,
                    case when regexp_full_match(token, '\\p{{Han}}') then {_nameless("token")} end) as l,
                case when not ethnic then c.alternative end as a, coalesce(c.four_corner, {_shapeless("token")}) as q
            from token
            left join reference.characters c on c.char = token
            left join reference.transliteration e on e.char = token
            left join syllable y on y.toneless = lower(replace(token, 'ü', 'v'))
        ), token_list as (
            select raw, count(*) as k, list(x order by position) as xs, list(t order by position) as ts,
                list(l order by position) as ls, list(a order by position) as als, list(q order by position) as qs
            from token_read group by raw
        ), slow_head as (
            select h.raw, replace(h.text, '_', '?') as value, h.flags, k, h.text like '%·%' as ethnic, {first_two},
                array_to_string(xs[3:], '') as xr,
                case when len(list_filter(ts[3:], lambda s: s is null)) = 0 then array_to_string(ts[3:], ' ') end as tr,
                case when len(list_filter(ls[3:], lambda s: s is null)) = 0 then array_to_string(ls[3:], ' ') end as lr,
                array_to_string(list_transform(list_zip(als[3:], ls[3:]), lambda s: coalesce(s[1], s[2])), ' ') as ar,
                array_to_string(qs[3:], '') as qr
            from han h join token_list using (raw)
        )"""


def _latin_names() -> str:
    """SQL: names without a Han character, compared as upper-case words in any order."""
    return """select raw, text, words, words, null, sound, null, null, null, null, null,
            nullif(regexp_replace(sound, '([a-z])[a-z]* ?', '\\1', 'g'), ''),
            array_to_string(list_sort(string_split(words, ' ')), ' '), null, null,
            case when flags is null then []::varchar[] else [flags] end
        from (select *, trim(regexp_replace(upper(text), '[·. -]+', ' ', 'g')) as words, nullif(trim(regexp_replace(regexp_replace(lower(strip_accents(text)), '[''’.]', '', 'g'),
            '[^a-z]+', ' ', 'g')), '') as sound from other_script)"""


def _missing(column: str) -> str:
    """SQL: one character too few, at any of the first four places; or a transliterated name cut short."""
    a, b, sound, other = (f"{column}__{name}_{of}" for name in ("folded", "toneless") for of in "lr")
    inside = " or ".join(
        f"left({long}, {i}) || substr({long}, {i + 2}) = {short}"
        for long, short in ((a, b), (b, a))
        for i in (1, 2, 3)
    )
    one = f"""case when least(length({a}), length({b})) >= 2 and abs(length({a}) - length({b})) = 1
        then starts_with({a}, {b}) or starts_with({b}, {a}) or ends_with({a}, {b}) or ends_with({b}, {a})
          or (left({a}, 1) = left({b}, 1) and right({a}, 1) = right({b}, 1) and ({inside}))
        else false end"""
    part = f"""case when ({column}__surname_l is null or {column}__surname_r is null)
          and least(length({sound}), length({other})) >= 5
        then starts_with({sound}, {other} || ' ') or starts_with({other}, {sound} || ' ') else false end"""
    same_given = f"coalesce({column}__given_l = {column}__given_r, false)"
    return f"({one} and not {same_given}) or {part}"


def _nameless(char: str) -> str:
    """SQL: what stands for the syllable of a character without a known reading; empty for none."""
    return f"case when {char} = '' then '' else 'u' || lower(to_hex(unicode({char}))) end"


def _shapeless(char: str) -> str:
    """SQL: five characters that stand for an unknown four-corner code; empty for none."""
    return f"case when {char} = '' then '' else 'z' || right('000' || lower(to_hex(unicode({char}))), 4) end"


@cache
def _compound_surnames() -> frozenset[str]:
    with _SURNAMES.open(encoding="utf-8") as file:
        return frozenset(row["surname"] for row in csv.DictReader(file) if len(row["surname"]) == 2)


PERSON_NAME = PersonName(
    name="person_name",
    columns={
        name: "VARCHAR"
        for name in (
            "folded toned toneless alternative surname surname_pinyin given given_toneless initials chars shape wildcard"
        ).split()
    },
    references=(
        "characters",
        "surnames",
        "transliteration",
        "replaced_characters",
        "not_names",
    ),
    ascii=frozenset({"toned", "toneless", "alternative", "surname_pinyin", "given_toneless", "initials", "shape"}),
    findings={
        "name_not_a_name": Finding("error", "不是姓名", "not a name"),
        "name_several": Finding("error", "一栏中有多个姓名", "several names in one value"),
        "name_wildcard": Finding("warn", "有无法辨认或被代替的字", "a character is unreadable or replaced"),
        "name_bad_character": Finding("warn", "含姓名中不应有的字符", "characters that no name has"),
        "name_single": Finding("warn", "只有一个字", "a single character"),
        "name_annotation": Finding("info", "姓名后有注记或称谓", "a note or a title beside the name"),
    },
)
