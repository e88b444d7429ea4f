"""The columns of a personal name as SQL: from the tidy text to syllables, shapes, surname and given name.

Characters are looked up by position, one join each, in names of one to four characters; only longer names
and names with a dot or an unreadable character are split into tokens and put together again. Both give
a *head*: the first two characters one by one and the rest joined (`xr`), each as text `x`, toned syllable
`t`, plain syllable `l`, its initial `i`, alternative syllable `a` and four-corner code `q`. A syllable that cannot be
known is null and makes the syllables of the whole name null; a place beyond the end of the name is ''. `ar` may be null
where no character of the rest has a second reading.
"""

from __future__ import annotations

from rules.kinds.name_text import tidy

_HAN = r"regexp_full_match(token, '\p{Han}')"
_LATIN = "regexp_full_match(token, '[A-Za-zü]+')"
_TOKENS = "regexp_extract_all(replace(text, '·', ''), '[A-Za-zü]+|.')"
_GAP = r"like '%\_%' escape '\'"
_INITIALS = r"regexp_replace({}, '([a-z])[a-z0-9]* ?', '\1', 'g')"


def columns(raw: str, extra: int) -> str:
    """SQL: the rows of the kind for relation `raw`; refused texts have null in all `extra` columns."""
    refused = ", ".join(["null"] * (2 + extra))
    return f"""
        with {tidy(raw)}, {_quick_heads()}, {_slow_heads()}, {_surnames()}, whole as (
            select *, x {_GAP} as gap, {_spaced("st", "gt")} as toned, {_spaced("sl", "gl")} as toneless,
                case when ga is not null then {_spaced("sa", "ga")} end as other
            from (select *, sx || gx as x from cut)
        )
        select raw, value, folded as key, folded,
            case when not gap then toned end as toned, toneless,
            case when other <> toneless then other end as alternative,
            case when size > 0 and not (sx {_GAP}) then sx end as surname,
            case when size > 0 then sl end as surname_pinyin,
            case when size > 0 and not (gx {_GAP}) then nullif(gx, '') end as given,
            case when size > 0 then nullif(gl, '') end as given_toneless,
            si || gi as initials, case when not gap then {_in_order("x")} end as chars,
            case when not gap then q end as shape,
            case when gap then x end as wildcard,
            case when size = 0 then nullif({_skeleton("toneless")}, '') end as skeleton,
            case when not gap and k > 1 and flags is null then []::varchar[] else list_sort(list_filter(
                [flags, case when gap then 'name_wildcard' end, case when k = 1 then 'name_single' end],
                lambda f: f is not null)) end as findings
        from (select *, case when not gap then x end as folded from whole)
        union all {_latin_names()}
        union all select raw, {refused}, [flags] from refused"""


def _quick_heads() -> str:
    """SQL: names of one to four Han characters, one join for each position."""
    places = range(1, 5)
    split = ", ".join(f"substr(text, {i}, 1) as c{i}" for i in places)
    read = ", ".join(
        f"coalesce(k{i}.folded, c{i}) as x{i}, coalesce(k{i}.toned, {_nameless(f'c{i}')}) as t{i}, "
        f"coalesce(k{i}.toneless, {_nameless(f'c{i}')}) as l{i}, k{i}.alternative as a{i}, "
        f"coalesce(k{i}.four_corner, {_shapeless(f'c{i}')}) as q{i}"
        for i in places
    )
    joins = " ".join(f"left join reference.characters k{i} on k{i}.char = nullif(c{i}, '')" for i in places)
    return f"""quick_read as (
            select raw, text, flags, length(text) as k, {read}
            from (select raw, text, flags, {split} from han where quick) {joins}
        ), quick_head as (
            select raw, text as value, flags, k, false as ethnic, x1, t1, l1, a1, q1, x2, t2, l2, a2, q2,
                x3 || x4 as xr, {_spaced("t3", "t4")} as tr, {_spaced("l3", "l4")} as lr,
                left(l3, 1) || left(l4, 1) as ir, case when coalesce(a3, a4) is not null
                    then {_spaced("coalesce(a3, l3)", "coalesce(a4, l4)")} end as ar, q3 || q4 as qr
            from quick_read
        )"""


def _slow_heads() -> str:
    """SQL: longer names, names with a dot, an unreadable character or Latin letters for one."""
    first_two = ", ".join(
        f"coalesce(xs[{i}], '') as x{i}, case when k >= {i} then ts[{i}] else '' end as t{i}, "
        f"case when k >= {i} then ls[{i}] else '' end as l{i}, als[{i}] as a{i}, coalesce(qs[{i}], '') as q{i}"
        for i in (1, 2)
    )
    lists = ", ".join(
        f"list({one} order by position) as {many}"
        for one, many in (("x", "xs"), ("t", "ts"), ("l", "ls"), ("a", "als"), ("q", "qs"))
    )
    tails = ", ".join(
        f"case when len(list_filter({many}[3:], lambda s: s is null)) = 0 then {joined} end as {one}r"
        for one, many, joined in (
            ("t", "ts", "array_to_string(ts[3:], ' ')"),
            ("l", "ls", "array_to_string(ls[3:], ' ')"),
            ("i", "ls", "array_to_string(list_transform(ls[3:], lambda s: left(s, 1)), '')"),
        )
    )
    return f"""syllable as (select distinct toneless from reference.characters
        ), token as (
            select raw, text like '%·%' or length(text) >= 5 as ethnic,
                unnest({_TOKENS}) as token, generate_subscripts({_TOKENS}, 1) as position
            from han where not quick
        ), token_read as (
            select raw, position, case when {_LATIN} then '_' else coalesce(c.folded, token) end as x,
                coalesce(c.toned, case when {_HAN} then {_nameless("token")} end) as t,
                coalesce(case when ethnic then e.toneless end, c.toneless, y.toneless,
                    case when {_HAN} then {_nameless("token")} end) as l,
                case when not ethnic then c.alternative end as a,
                coalesce(c.four_corner, {_shapeless("token")}) as q
            from token
            left join reference.characters c on c.char = token
            left join reference.transliteration e on e.char = token
            left join syllable y on y.toneless = lower(replace(token, 'ü', 'v'))
        ), token_list as (select raw, count(*) as k, {lists} from token_read group by raw
        ), slow_head as (
            select h.raw, replace(h.text, '_', '?') as value, h.flags, k, h.text like '%·%' as ethnic,
                {first_two}, array_to_string(xs[3:], '') as xr, {tails},
                array_to_string(list_transform(list_zip(als[3:], ls[3:]),
                    lambda s: coalesce(s[1], s[2])), ' ') as ar,
                array_to_string(qs[3:], '') as qr
            from han h join token_list using (raw)
        )"""


def _surnames() -> str:
    """SQL: where the surname ends. `size` is its number of characters, 0 for a name without one: with a
    dot, of five or more characters, or of four that begin with no frequent surname."""
    parts = ", ".join(
        f"""case when size = 2 and compound then c{p}
                 when size = 2 then s{p}1 || {joint} || s{p}2
                 when size = 1 then s{p}1 else '' end as s{p}"""
        for p, joint in (("x", "''"), ("t", "' '"), ("l", "' '"))
    )
    rest, others = (
        [
            f"""case size when 2 then {r} when 1 then {_spaced(second, r)}
                     else {_spaced(first, f"({_spaced(second, r)})")} end"""
            for first, second, r in places
        ]
        for places in (
            (("t1", "t2", "tr"), ("l1", "l2", "lr")),
            (("coalesce(a1, l1)", "coalesce(a2, l2)", "coalesce(ar, lr)"),),
        )
    )
    return f"""head as (select * from quick_head union all select * from slow_head
        ), sized as (
            select h.*, c.surname is not null as compound,
                case when ethnic or (k >= 5 and c.surname is null) then 0
                     when k >= 3 and c.surname is not null then 2
                     when k = 4 and s1.common = '1' and s2.common = '1' then 2
                     when k = 4 and s1.common is null then 0
                     when k >= 2 or s1.surname is not null then 1 else 0 end as size,
                coalesce(s1.class, x1) as sx1, coalesce(s1.toned, t1) as st1,
                coalesce(s1.toneless, l1) as sl1, coalesce(s2.class, x2) as sx2,
                coalesce(s2.toned, t2) as st2, coalesce(s2.toneless, l2) as sl2,
                coalesce(s1.alternative, case when s1.surname is null then a1 end) as sa1,
                c.class as cx, c.toned as ct, c.toneless as cl
            from head h
            left join reference.surnames s1 on s1.surname = x1
            left join reference.surnames s2 on s2.surname = x2
            left join reference.surnames c on c.surname = x1 || x2 and length(c.surname) = 2
        ), cut as (
            select raw, value, flags, size, k, q1 || q2 || qr as q, {parts}, {rest[0]} as gt, {rest[1]} as gl,
                case when size = 1 then coalesce(sa1, sl1) else sl end as sa,
                case when coalesce(a1, a2, ar, sa1) is not null then {others[0]} end as ga,
                case when size = 2 and compound then {_INITIALS.format("cl")}
                     when size = 2 then left(sl1, 1) || left(sl2, 1)
                     when size = 1 then left(sl1, 1) else '' end as si,
                case size when 2 then ir when 1 then left(l2, 1) || ir
                     else left(l1, 1) || left(l2, 1) || ir end as gi,
                case size when 2 then xr when 1 then x2 || xr else x1 || x2 || xr end as gx
            from sized
        )"""


def _latin_names() -> str:
    """SQL: names without a Han character, compared as upper-case words in any order."""
    return f"""select raw, text, words, words, null, sound, null, null, null, null, null,
            nullif({_INITIALS.format("sound")}, ''),
            array_to_string(list_sort(string_split(words, ' ')), ' '), null, null, null,
            case when flags is null then []::varchar[] else [flags] end
        from (
            select *, trim(regexp_replace(upper(text), '[·. -]+', ' ', 'g')) as words,
                nullif(trim(regexp_replace(regexp_replace(lower(strip_accents(text)), '[''’.]', '', 'g'),
                    '[^a-z]+', ' ', 'g')), '') as sound
            from other_script)"""


def _spaced(first: str, rest: str) -> str:
    """SQL: two runs of syllables as one; either may be empty, and null makes both null. TRIM would be dearer."""
    return f"case when {rest} = '' then {first} when {first} = '' then {rest} else {first} || ' ' || {rest} end"


def _in_order(text: str) -> str:
    """SQL: the characters of a text in order; of two or three without a list, which costs three times as much."""
    a, b, c = (f"substr({text}, {i}, 1)" for i in (1, 2, 3))
    return f"""case length({text})
        when 2 then case when {a} <= {b} then {text} else {b} || {a} end
        when 3 then case
            when {a} <= {b} then case
                when {b} <= {c} then {text} when {a} <= {c} then {a} || {c} || {b} else {c} || {a} || {b} end
            when {a} <= {c} then {b} || {a} || {c} when {b} <= {c} then {b} || {c} || {a} else {c} || {b} || {a} end
        else array_to_string(list_sort(string_split({text}, '')), '') end"""


def _skeleton(syllables: str) -> str:
    """SQL: the consonants that syllables begin with (and the r of er), those that transliterations mix up as one."""
    steps = (
        (r"\ber\b", "r"),
        (r"\b([b-df-hj-np-tw-z]*)[aeiouv][a-z0-9]*", r"\1"),
        ("([zcs])h", r"\1"),
        (" +", ""),
    )
    for pattern, by in steps:
        syllables = f"regexp_replace({syllables}, '{pattern}', '{by}', 'g')"
    return f"translate({syllables}, 'xqj', 'scz')"


def _nameless(char: str) -> str:
    """SQL: what stands for the syllable of a character without a known reading; empty for none."""
    return f"case when {char} = '' then '' else 'u' || lower(to_hex(unicode({char}))) end"


def _shapeless(char: str) -> str:
    """SQL: five characters that stand for an unknown four-corner code; empty for none."""
    return f"case when {char} = '' then '' else 'z' || right('000' || lower(to_hex(unicode({char}))), 4) end"
