"""Names of villagers' and residents' committees: what they are called apart from the word committee.

村委会, 村民委员会 and 村村民委员会 are one suffix; so are 居委会, 居民委员会 and 社区居民委员会; 嘎查 and 牧委会 are
villages by another people's word. A list of committees also holds units that are none (farm companies,
"living areas", virtual communities of a development zone): they have no `form`.

Columns: `key` is the core, characters folded; `form` village | residents | other (a committee, but the
name does not say which); `toneless` the syllables of the core; `marks` the characters in it that tell neighbours
apart (上 下 东 西 前 后 新 老, numerals …), in their order; `plain` the core without them: 上王庄 and 下王庄 have one
`plain` and different `marks`, and are two villages; `around` is a LIKE pattern of longer names that hold the core.

With the option `value = "form"` the field says which of the two a committee is, read from its name.
"""

from __future__ import annotations

from rules.kinds.base import Comparison, Finding, Kind, Level, Options, literal
from rules.kinds.text import NARROW, WIDE, swap

# 委员会 with its usual slips of the pen: 委会, 委员, 员委会, 名委员会, 委员会会 …
_COMMITTEE = "(?:[民名]?员?委[委员会民]*|[民员]?会)"
_VILLAGE = f"(?:社区)?(?:嘎查|牧业|农业)*(?:村|嘎查|牧){_COMMITTEE}村?|嘎查|村"
_RESIDENTS = f"(?:社区|小区)*(?:居|家属?|社区|社){_COMMITTEE}(?:社区)?|社区居?"
_OTHER = "[民名]?员?委[委员会]*"
# Units that such lists carry beside the committees, although their names may hold the word.
_NONE = "虚拟|生活区$|管委|管理委"
# A note behind the name: the zone that administers it, that it is being set up, what it is.
_NOTE = (
    "(?:省级|筹|筹建|筹备|筹备组|新设|社区|农村社区|特殊社区|村委会|特殊村委会|村级|村委会性质|社区性质|居委会|乡科级单位"
    "|[^()]*(?:开发区|开发区管委会|园区|新区|新城|组团|自贸区)|[含原][^()]*)"
)
# What the name of a division ends with.
_DIVISION = "(?:[省市县区旗盟州乡镇]|街道|街道办事处|苏木)"
_DIGITS, _NUMERALS = "0123456789", "〇一二三四五六七八九"
_MARKS = "上中下东西南北前后左右内外里新老旧大小一二三四五六七八九十百甲乙丙丁"
_REFUSED = "committee_unreadable"


class CommitteeName(Kind):
    """The kind `committee_name`."""

    def parse(self, raw: str, options: Options) -> str:
        if options.get("value") == "form":
            return f"""
            with {self._formed(raw)}
            select raw, form as value, nullif(form, 'other') as key, form, null::varchar as toneless,
                   null::varchar as marks, null::varchar as plain, null::varchar as around, []::varchar[] as findings
            from (select raw, nullif(shape, 'none') as form from formed)"""
        return self._read(raw)

    def _formed(self, raw: str) -> str:
        """SQL of `formed`, behind WITH: the names without their suffix, and which committee that says they are."""
        tail = f"^(.+?)((?:社区)?(?:村|居){_OTHER}|社区|村)(?:\\(([^()]+)\\)|([一二三四五六七八九十]))$"
        words = f"^(.*?)(?:({_VILLAGE})|({_RESIDENTS})|({_OTHER}))$"
        return f"""
        tidy as (
            select raw, regexp_replace({swap("raw", WIDE, NARROW)}, '[\\s?·、,.]+', '', 'g')
                as value
            from {raw}
        ), bare as (
            select raw, value, regexp_replace(value, '(\\({_NOTE}\\))+$', '') as said,
                   regexp_extract(value, '\\((筹[建备]?组?)\\)$', 1) as preparing
            from tidy
        ), plain as (
            select *, regexp_replace(regexp_replace(said, {literal(tail)}, '\\1\\3\\4\\2'), '[()]', '', 'g') as text
            from bare
        ), split as (
            select *, regexp_extract(text, {literal(words)}, ['core', 'village', 'residents', 'other']) as parts
            from plain
        ), formed as (
            select *, case when parts.core = '' then text else parts.core end as named,
                   case when regexp_matches(text, {literal(_NONE)}) then 'none'
                        when parts.village <> '' then 'village'
                        when parts.residents <> '' then 'residents'
                        when parts.other <> '' then 'other'
                        else 'none' end as shape
            from split
        )"""

    def _read(self, raw: str) -> str:
        """SQL of the names themselves."""
        return f"""
        with {self._formed(raw)}, cored as (
            select *, translate(case when regexp_full_match(named, '.+?(?:社区|嘎查|村)+')
                                     then regexp_extract(named, '^(.+?)(?:社区|嘎查|村)+$', 1) else named end,
                                {literal(_DIGITS)}, {literal(_NUMERALS)}) as core
            from formed
        ), sounded as (
            select core, string_agg(coalesce(c.folded, char), '' order by i) as folded,
                   string_agg(coalesce(c.toneless, char), ' ' order by i) as toneless,
                   bool_and(c.toneless is not null) as sounding
            from (
                select core, unnest(string_split(core, '')) as char, generate_subscripts(string_split(core, ''), 1) as i
                from (select distinct core from cored)
            ) left join reference.characters as c using (char)
            group by core
        )
        select raw, nullif(value, '') as value,
               case when value <> '' then folded end as key,
               nullif(shape, 'none') as form,
               case when sounding then toneless end as toneless,
               regexp_replace(folded, '[^{_MARKS}]', '', 'g') as marks,
               regexp_replace(folded, '[{_MARKS}]', '', 'g') as plain,
               case when length(folded) > 1 then regexp_replace(folded, '(.)', '%\\1', 'g') || '%' end as around,
               list_sort(list_filter([
                   case when value = '' or not regexp_matches(value, '\\p{{Han}}') then '{_REFUSED}' end,
                   case when shape = 'none' then 'committee_none' end,
                   case when shape = 'other' then 'committee_unmarked' end,
                   case when preparing <> '' then 'committee_preparing' end], lambda f: f is not null)) as findings
        from cored left join sounded using (core)"""

    def compare(self, column: str, options: Options) -> Comparison:
        def equal(name: str) -> str:
            return f"{column}__{name}_l = {column}__{name}_r"

        (a, b), (in_a, in_b) = ([f"{column}__{name}_{of}" for of in "lr"] for name in ("key", "around"))
        return Comparison(
            f"{a} is null or {b} is null",
            (
                Level("exact", equal("key"), f"{column}__key"),
                Level("toneless", f"{equal('toneless')} and {equal('marks')}", f"{column}__toneless"),
                Level("character", f"{equal('marks')} and length({a}) >= 3 and ({_one_differs(a, b)})"),
                Level("within", f"{a} like {in_b} or {b} like {in_a}"),
                Level("marks", f"{equal('plain')} and length({column}__plain_l) > 0"),
            ),
        )

    def agree(self, column: str, options: Options) -> str | None:
        """One of them is the other behind the division that it lies in: 新庄镇谢家湾 and 谢家湾."""
        if options.get("value") == "form":
            return None
        a, b = f"{column}__key_l", f"{column}__key_r"

        def within(long: str, short: str) -> str:
            above = f"left({long}, length({long}) - length({short}))"
            return f"(suffix({long}, {short}) and regexp_matches({above}, '{_DIVISION}$'))"

        return f"{within(a, b)} or {within(b, a)}"

    def mask(self, value: str) -> str:
        """The names of public bodies are public."""
        return value


def _one_differs(a: str, b: str) -> str:
    """SQL: names of one length that differ in one place."""
    places = " or ".join(
        f"left({a}, {i}) = left({b}, {i}) and substr({a}, {i + 2}) = substr({b}, {i + 2})" for i in range(6)
    )
    return f"length({a}) = length({b}) and ({places})"


COMMITTEE_NAME = CommitteeName(
    name="committee_name",
    columns={"form": "VARCHAR", "toneless": "VARCHAR", "marks": "VARCHAR", "plain": "VARCHAR", "around": "VARCHAR"},
    options={"value": "name"},
    references=("characters",),
    findings={
        "committee_unreadable": Finding("error", "名称无法识别", "no Han name at all"),
        "committee_none": Finding("info", "不是村(居)民委员会", "a unit that is no committee"),
        "committee_unmarked": Finding(
            "info", "名称未表明是村委会还是居委会", "the name does not say which committee it is"
        ),
        "committee_preparing": Finding("info", "筹备中", "a committee that is being set up"),
    },
)
