"""The text of a personal name, cleaned as SQL: what is left is Han characters, `·`, `_` for an unreadable
character and Latin letters for one that somebody could not type (王jie).

NFKC is for numbers only: in names it would turn ① into 1 and Ⅹ into X. Here text is NFC, and an explicit
table replaces private-use code points and radical signs.
"""

from __future__ import annotations

# Names that need no cleaning, and cleaned names that need no tokens.
_PLAIN = r"[\x{3400}-\x{4DBF}\x{4E00}-\x{9FFF}]{2,4}"
QUICK = r"regexp_full_match(text, '\p{Han}{1,4}')"

_BRACKETS = "【〔〈《{「［｛<（[】〕〉》}」］｝>）]"
_ROUND = "((((((((((()))))))))))"
_DOTS = r"[·•・･．.‧∙⋅﹒●○—–－\-˙。]"
_MARKS = r"[\x{FFFD}\x{E000}-\x{F8FF}□■◇◆△▲○●◯※*?_×✕＿某]"
_HALF = "".join(chr(code) for code in range(0x21, 0x7F))
_FULL = "".join(chr(code + 0xFEE0) for code in range(0x21, 0x7F))

# In brackets: a note about the person, or a description of the character that could not be typed.
_NOTE = r"\((曾用名|原名|小名|又名|别名|化名|已故|死亡|去世|同音|户主|本人|[男女大小老]|[0-9]+)[^()]*\)"
_PARTS = (
    r"\(([^()]*[加旁头底]|[上下左右内外][^()]+|[氵亻扌艹钅讠纟犭忄礻衤饣阝宀疒彳冫刂攵灬罒虍辶廴勹丬爿囗木水火土金日月女王石竹]"
    r"[^()])[^()]*\)"
)
_TITLES = "先生|女士|小姐|同志"


def tidy(raw: str) -> str:
    """SQL common table expressions over relation `raw`, ending in three relations of (raw, text, flags):
    `han`, `other_script` and `refused` (no name; `flags` says why)."""
    titles = ", ".join(f"'{title}'" for title in _TITLES.split("|"))
    return f"""closed as (select raw, replace(replace(raw, ' ', ''), '　', '') as text from {raw}
        ), judged_plain as (
            select raw, text, regexp_full_match(text, '{_PLAIN}') and not contains(text, '某')
                and right(text, 2) not in ({titles}) as plain
            from closed
        ), plain as (select raw, text, null::varchar as flags from judged_plain where plain
        ), written as (select raw, nfc_normalize(raw) as x from judged_plain where not plain
        ), replaced as (
            select raw, case when regexp_matches(x, '[\\x{{E000}}-\\x{{F8FF}}\\x{{2E80}}-\\x{{2FDF}}]') then translate(x,
                (select string_agg(char, '' order by char) from reference.replaced_characters),
                (select string_agg(standard, '' order by char) from reference.replaced_characters)) else x end as x
            from written
        ), spaced as (
            select raw, trim(regexp_replace(regexp_replace(
                case when regexp_matches(x, '[\\x{{FF01}}-\\x{{FF5E}}]') then translate(x, {_quoted(_FULL)}, {_quoted(_HALF)})
                     else x end,
                '[\\p{{Cc}}\\p{{Cf}}\\x{{FE00}}-\\x{{FE0F}}\\x{{E0100}}-\\x{{E01EF}}]', '', 'g'),
                '[\\s\\p{{Z}}]+', ' ', 'g')) as x
            from replaced
        ), scripted as (
            select raw, translate(x, '{_BRACKETS}', '{_ROUND}') as x, regexp_matches(x, '\\p{{Han}}') as has_han from spaced
        ), noted as (
            select raw, regexp_replace(x, '{_NOTE}', '', 'g') as x, x as was from scripted where has_han
        ), described as (
            select raw, was, regexp_replace(regexp_replace(regexp_replace(x, '{_PARTS}', '_', 'g'),
                '\\(([A-Za-zü]+)\\)(.)', '\\1\\2', 'g'), '\\([^()]+\\)(\\p{{Han}})', '_\\1', 'g') as x
            from noted
        ), unbracketed as (
            select raw, was, regexp_replace(regexp_replace(case when length(split_part(x, '(', 1)) = 1
                then regexp_replace(regexp_replace(x, '\\(([A-Za-zü]+)\\)?$', '\\1'), '\\([^()]+\\)?$', '_')
                when length(split_part(x, '(', 1)) = 2 then regexp_replace(x, '\\(([A-Za-zü]+)\\)?$', '\\1')
                else x end, '\\(.*$', ''), '\\)', '', 'g') as x
            from described
        ), dotted as (
            select raw, was, case when length(regexp_replace(x, '\\P{{Han}}', '', 'g')) >= 5
                then regexp_replace(regexp_replace(x, '(\\p{{Han}}) ?[?*●○ ] ?(\\p{{Han}})', '\\1·\\2', 'g'),
                    ' *{_DOTS} *', '·', 'g')
                else replace(regexp_replace(x, ' *{_DOTS.replace("●○", "")} *', '·', 'g'), ' ', '') end as x
            from unbracketed
        ), marked as (
            select raw, was, x as dotted, regexp_replace(regexp_replace(regexp_replace(regexp_replace(
                regexp_replace(regexp_replace(trim(x, '·'), '^(\\p{{Han}}{{2,}})({_TITLES})$', '\\1'),
                    '^(\\p{{Han}})({_TITLES})$', '\\1_'),
                '(\\p{{Han}})[0-9]+$', '\\1'), '([^A-Za-z])XX$', '\\1__'), '([^A-Za-z])X($|[^A-Za-z])', '\\1_\\2'),
                '{_MARKS}', '_', 'g') as x
            from dotted
        ), cleaned as (
            select raw, was, dotted, x as marked, regexp_replace(x, '[^\\p{{Han}}·_A-Za-zü]', '', 'g') as text from marked
        ), named as (
            select raw, text, case
                when regexp_matches(was, '\\p{{Han}} *[、,，;；/|] *\\p{{Han}}') then 'name_several'
                when text <> marked then 'name_bad_character'
                when replace(was, ' ', '') <> replace(dotted, ' ', '') and length(was) > length(dotted)
                  and text not like '%\\_%' escape '\\' and not regexp_matches(text, '[A-Za-z]') then 'name_annotation'
                when regexp_matches(was, '({_TITLES}|[0-9])$') then 'name_annotation' end as flags
            from cleaned
            union all select * from plain
        ), judged as (
            select raw, text, case when flags = 'name_several' then flags
                when text in (select text from reference.not_names) or replace(replace(text, '_', ''), '·', '') = ''
                  or starts_with(text, '测试') or starts_with(text, '无名')
                  or (length(text) >= 4 and regexp_matches(text, '之[子女妻夫父母]$')) then 'name_not_a_name' end as refusal,
                flags
            from named
        ), han as (select raw, text, flags from judged where refusal is null
        ), lettered as (
            select raw, x, trim(regexp_replace(regexp_replace(x, '[^\\p{{L}}\\p{{M}}''’·. -]', '', 'g'), ' +', ' ', 'g')) as text
            from scripted where not has_han
        ), other_script as (
            select raw, text, case when replace(x, ' ', '') <> replace(text, ' ', '') then 'name_bad_character' end as flags
            from lettered
            where length(text) > 1 and upper(x) not in (select text from reference.not_names)
        ), refused as (
            select raw, text, refusal as flags from judged where refusal is not null
            union all
            select raw, text, 'name_not_a_name' from lettered
            where length(text) <= 1 or upper(x) in (select text from reference.not_names)
        )"""


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
