"""The text of a personal name, cleaned as SQL: what is left is Han characters, `·`, `_` for an unreadable
character and Latin letters for one that somebody could not type (王jie).

NFKC is for numbers only: in names it would turn ① into 1 and Ⅹ into X. Here text is NFC, and an explicit
table replaces private-use code points and radical signs. Names that are two to four common characters, the
rule in every file, pass by all of it.
"""

from __future__ import annotations

from rules.kinds.base import literal

# Names that need no cleaning, and cleaned names that need no tokens.
_PLAIN = r"[\x{3400}-\x{4DBF}\x{4E00}-\x{9FFF}]{2,4}"
_QUICK = r"\p{Han}{1,4}"

_BRACKETS = "【〔〈《{「［｛<（[】〕〉》}」］｝>）]"
_ROUND = "((((((((((()))))))))))"
_DOTS = "·•・･．.‧∙⋅﹒—–－˙。-"
_BULLETS = "●○"
_MARKS = r"[\x{FFFD}\x{E000}-\x{F8FF}□■◇◆△▲○●◯※*?_×✕＿某]"
_INVISIBLE = r"[\p{Cc}\p{Cf}\x{FE00}-\x{FE0F}\x{E0100}-\x{E01EF}]"
_REPLACEABLE = r"[\x{E000}-\x{F8FF}\x{2E80}-\x{2FDF}]"
_HALF = "".join(chr(code) for code in range(0x21, 0x7F))
_FULL = "".join(chr(code + 0xFEE0) for code in range(0x21, 0x7F))

# In brackets: a note about the person, or a description of the character that could not be typed.
_NOTE = r"\((曾用名|原名|小名|又名|别名|化名|已故|死亡|去世|同音|户主|本人|[男女大小老]|[0-9]+)[^()]*\)"
_COMPONENT = "氵亻扌艹钅讠纟犭忄礻衤饣阝宀疒彳冫刂攵灬罒虍辶廴勹丬爿囗木水火土金日月女王石竹"
_PARTS = rf"\(([^()]*[加旁头底]|[上下左右内外][^()]+|[{_COMPONENT}][^()])[^()]*\)"
_TITLES = ("先生", "女士", "小姐", "同志")


def tidy(raw: str) -> str:
    """SQL common table expressions over relation `raw`, ending in three relations of (raw, text, flags):
    `han`, `other_script` and `refused` (no name; `flags` says why). `quick` in `han`: it needs no tokens."""
    titles = ", ".join(literal(title) for title in _TITLES)
    standard, replaced = (
        f"(select string_agg({column}, '' order by char) from reference.replaced_characters)"
        for column in ("standard", "char")
    )
    letters = _cut("x", (r"[^\p{L}\p{M}''’·. -]", ""), (" +", " "))
    return f"""told as (select raw, regexp_full_match(raw, '{_PLAIN}') as closed from {raw}
        ), closed as (
            select raw, closed, case when closed then raw else replace(replace(raw, ' ', ''), '　', '') end as text
            from told
        ), judged_plain as materialized (
            select raw, text, case when closed then true else regexp_full_match(text, '{_PLAIN}') end
                and not contains(text, '某') and right(text, 2) not in ({titles}) as plain
            from closed
        ), plain as (select raw, text, true as quick, null::varchar as flags from judged_plain where plain
        ), written as (select raw, nfc_normalize(raw) as x from judged_plain where not plain
        ), replaced as (
            select raw, case when regexp_matches(x, '{_REPLACEABLE}')
                then translate(x, {replaced}, {standard}) else x end as x
            from written
        ), half as (
            select raw, case when regexp_matches(x, '[\\x{{FF01}}-\\x{{FF5E}}]')
                then translate(x, {literal(_FULL)}, {literal(_HALF)}) else x end as x
            from replaced
        ), spaced as (
            select raw, trim(regexp_replace({_cut("x", (_INVISIBLE, ""))}, '[\\s\\p{{Z}}]+', ' ', 'g')) as x
            from half
        ), scripted as (
            select raw, translate(x, '{_BRACKETS}', '{_ROUND}') as x, regexp_matches(x, '\\p{{Han}}') as has_han
            from spaced
        ), {_han_steps()}, named as (
            select raw, text, regexp_full_match(text, '{_QUICK}') as quick, case
                when regexp_matches(was, '\\p{{Han}} *[、,，;；/|] *\\p{{Han}}') then 'name_several'
                when text <> marked then 'name_bad_character'
                when length(was) > length(dotted) and replace(was, ' ', '') <> replace(dotted, ' ', '')
                  and not regexp_matches(text, '[A-Za-z_]') then 'name_annotation'
                when right(was, 2) in ({titles}) or regexp_matches(was, '[0-9]$') then 'name_annotation' end as flags
            from cleaned
            union all select * from plain
        ), judged as materialized (
            select raw, text, quick, flags, case
                when flags = 'name_several' then flags
                when text in (select text from reference.not_names)
                  or replace(replace(text, '_', ''), '·', '') = ''
                  or starts_with(text, '测试') or starts_with(text, '无名')
                  or (length(text) >= 4 and regexp_matches(text, '之[子女妻夫父母]$')) then 'name_not_a_name'
                end as refusal
            from named
        ), han as (select raw, text, quick, flags from judged where refusal is null
        ), lettered as (
            select raw, x, upper(x) in (select text from reference.not_names) as no_name,
                trim({letters}) as text
            from scripted where not has_han
        ), other_script as (
            select raw, text, case when replace(x, ' ', '') <> replace(text, ' ', '')
                then 'name_bad_character' end as flags
            from lettered where length(text) > 1 and not no_name
        ), refused as (
            select raw, text, refusal as flags from judged where refusal is not null
            union all
            select raw, text, 'name_not_a_name' from lettered where length(text) <= 1 or no_name
        )"""


def _han_steps() -> str:
    """SQL: brackets, dots, titles and unreadable characters of texts with Han characters."""
    latin = r"\(([A-Za-zü]+)\)"
    titles = "|".join(_TITLES)
    before = "length(split_part(x, '(', 1))"
    long_dots = _cut("x", (rf"(\p{{Han}}) ?[?*{_BULLETS} ] ?(\p{{Han}})", r"\1·\2"), (f" *[{_BULLETS}{_DOTS}] *", "·"))
    endings = (
        (rf"^(\p{{Han}}{{2,}})({titles})$", r"\1"),
        (rf"^(\p{{Han}})({titles})$", r"\1_"),
        (r"(\p{Han})[0-9]+$", r"\1"),
        ("([^A-Za-z])XX$", r"\1__"),
        ("([^A-Za-z])X($|[^A-Za-z])", r"\1_\2"),
        (_MARKS, "_"),
    )
    described = _cut("x", (_PARTS, "_"), (latin + "(.)", r"\1\2"), (r"\([^()]+\)(\p{Han})", r"_\1"))
    after_one = _cut("x", (latin + "$", r"\1"), (r"\([^()]+\)$", "_"))
    after_two = _cut("x", (latin + "$", r"\1"))
    closed = _cut("x", (r"\(.*$", ""), (r"\)", ""))
    only_han = _cut("x", (r"\P{Han}", ""))
    text = _cut("marked", (r"[^\p{Han}·_A-Za-zü]", ""))
    return f"""noted as (
            select raw, {_cut("x", (_NOTE, ""))} as x, x as was from scripted where has_han
        ), described as (
            select raw, was, {described} as x from noted
        ), unbracketed as (
            select raw, was, {closed} as x
            from (
                select raw, was, case {before}
                    when 1 then {after_one}
                    when 2 then {after_two} else x end as x
                from described)
        ), dotted as (
            select raw, was, case when length({only_han}) >= 5 then {long_dots}
                else replace({_cut("x", (f" *[{_DOTS}] *", "·"))}, ' ', '') end as x
            from unbracketed
        ), marked as (select raw, was, x as dotted, {_cut("trim(x, '·')", *endings)} as marked from dotted
        ), cleaned as (
            select raw, was, dotted, marked, {text} as text from marked
        )"""


def _cut(text: str, *steps: tuple[str, str]) -> str:
    """SQL: `text` with every match of each pattern replaced, one step after the other."""
    for pattern, by in steps:
        text = f"regexp_replace({text}, '{pattern}', '{by}', 'g')"
    return text
