"""公民身份号码 by GB 11643: valid numbers, candidates of old ones, and what is left of damaged ones.

Only an 18-character number with the right check and a possible date is `valid`; nothing else may keep two
records apart. A damaged number still carries evidence: the first 15 digits survive a spreadsheet
(`trunk15`), and a mistyped one (`broken`) is one typo from the right one. Two valid numbers are never one
typo apart, so that level asks for a side that fails its check. The arithmetic is that of `gb11643`, which
is tested to be equal. Area codes come and go: a code unknown to the history is noted, never refused.
"""

from __future__ import annotations

import re
from datetime import date

from rules.kinds import gb11643
from rules.kinds.base import Comparison, Finding, Kind, Level, Options, Row, Tables
from rules.kinds.gb11643 import CENTENARIANS, CHECK_CHARACTERS, WEIGHTS

# What stands for a digit or X in files: full-width, Cyrillic, Greek and Roman-numeral letters, marks.
_FULL = "０１２３４５６７８９ＡＢＣＤＥＦＧＨＩＪＫＬＭＮＯＰＱＲＳＴＵＶＷＸＹＺ"
_HALF = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_WRITTEN = _FULL + _FULL[10:].lower() + "ХхΧχⅩⅹ×✕．＋＊？□●#*"
_READ = _HALF + _HALF[10:] + "XXXXXXXX.+??????"

# The areas of residence permits for people from Hong Kong, Macao and Taiwan (since 2018-09-01).
_PERMITS = ("810000", "820000", "830000")
_PERMIT_AREAS = ", ".join(f"'{area}'" for area in _PERMITS)

_FULL_NUMBER, _LEGACY = "[1-9][0-9]{16}[0-9X]", "[1-9][0-9]{14}"
_SCIENTIFIC = r"[1-9](\.[0-9]+)?E\+?1[4-7]"


class CitizenId(Kind):
    """The kind `citizen_id`.

    century_18  a 15-digit number with sequence 996 to 999 belongs to somebody born in the 1800s
    max_age     more years than this since birth are reported
    """

    def parse(self, raw: str, options: Options) -> str:
        settings = {**self.options, **options}
        last = f"substr('{CHECK_CHARACTERS}', 1 + ({_weighted('n')}) % 11, 1)"
        return f"""
        with told as (select raw, regexp_full_match(raw, '{_FULL_NUMBER}') as written from {raw}
        ), bare as (select raw, written, case when written then raw else {_bare("raw")} end as t from told
        ), tidy as (
            select raw, written, case when not written and regexp_full_match(t, '[0-9OIL]{{17}}[0-9XOIL]')
                then translate(t, 'OIL', '011') else t end as t
            from bare
        ), formed as (select raw, t, {_form("t")} as form from tidy
        ), spread as (
            select raw, form, t, case form
                when 'full' then left(t, 17)
                when 'cut17' then t
                when 'legacy' then left(t, 6) || {_century("t", settings)} || substr(t, 7) end as body,
              case when form in ('full', 'cut17', 'floated', 'broken', 'unreadable') then left(t, 15)
                   when form = 'legacy' then left(body, 15)
                   when form = 'scientific' then left(replace(split_part(t, 'E', 1), '.', ''), 15) end as head
            from formed
        ), dated as (
            select raw, form, t, body, head, try_cast(body as bigint) as n,
                try_cast(substr(head, 7, 8) as integer) as ymd
            from spread
        ), started as (
            select raw, form, t, body, head, n, ymd // 100 % 100 as month, case
                when ymd between 18000000 and 99991231 and month between 1 and 12 and ymd % 100 between 1 and 31
                then make_date(ymd // 10000, month, 1) + (ymd % 100 - 1) end as day
            from dated
        ), checked as (
            select raw, t, body, head, {last} as last,
                case when month(day) = month and day <= $as_of then day end as born,
                case when form <> 'full' or right(t, 1) = last then form
                     when ends_with(t, '000') then 'floated' else 'typo' end as form
            from started
        ), graded as (
            select raw, t, body, last, head, born, form,
                case when form in ('full', 'legacy', 'cut17') and born is not null
                     then body || last end as id18,
                case when body is not null or regexp_full_match(head, '[0-9]{{6}}.*') then left(head, 6) end as area
            from checked
        ), area as (
            select code, min(try_cast(since as smallint)) as since,
                max(coalesce(try_cast(until as smallint), 9999)) as until
            from reference.county_history group by code
        ), province as (select distinct left(code, 2) as province from area)
        select raw, value, value_key as key, id18, valid, birth, sex, area, body17, trunk15, broken,
            case when main is null and place is null and age is null then []::varchar[]
                 else list_sort(list_filter([main, place, age], lambda f: f is not null)) end as findings
        from (
            select raw, id18, g.area,
                case when form = 'full' then id18 end as valid,
                case when form in ('full', 'legacy') and id18 is not null then t
                     when form = 'permit' then regexp_extract(t, '[HM]?[0-9]{{8}}')
                     when form = 'card' then t end as value,
                case when form in ('full', 'legacy') then id18 else value end as value_key,
                cast(year(born) * 10000 + month(born) * 100 + day(born) as integer) as birth,
                case when id18 is null then null
                     when substr(body, 17, 1) in ('1', '3', '5', '7', '9') then '1' else '2' end as sex,
                case when id18 is not null then body end as body17,
                case when form in ('floated', 'scientific') or (form = 'typo' and {_float_step("t")})
                     then case when length(head) = 15 then head end end as trunk15,
                case when form in ('typo', 'broken', 'cut17', 'unreadable')
                       or (form = 'legacy' and born is null) then t end as broken,
                case form when 'typo' then 'id_check' when 'broken' then 'id_malformed'
                    when 'other' then 'id_malformed' when 'none' then 'id_not_given'
                    when 'placeholder' then 'id_placeholder' when 'masked' then 'id_masked'
                    when 'unreadable' then 'id_unreadable' when 'floated' then 'id_excel'
                    when 'scientific' then 'id_scientific' when 'cut17' then 'id_check_missing'
                    when 'permit' then 'id_travel_permit' when 'card' then 'id_foreigner_card'
                    else case when born is null then 'id_date'
                              when form = 'legacy' then 'id_legacy' end end as main,
                case when id18 is null or left(g.area, 1) = '9' or g.area in ({_PERMIT_AREAS}) then null
                     when p.province is null then 'id_area_unknown'
                     when a.code is null then 'id_area_never'
                     when a.until <= greatest(year(born), 1983) or a.since > greatest(year(born), 1984) + 20
                     then 'id_area_after_birth' end as place,
                case when id18 is not null and born < $as_of - interval ({int(str(settings["max_age"]))}) year
                     then 'id_age' end as age
            from graded g left join area a on a.code = g.area
            left join province p on p.province = left(g.area, 2)
        )"""

    def usual(self, text: str, tables: Tables, as_of: date, options: Options) -> Row | None:
        """A valid number, written in full or as those of the first generation were, of somebody who can be born."""
        full = re.fullmatch(_FULL_NUMBER, text) is not None
        if (not full and not re.fullmatch(_LEGACY, text)) or len(set(text)) == 1 or text.startswith("123456789"):
            return None
        settings = {**self.options, **options}
        number = text
        if not full:
            body = text[:6] + (gb11643.century(text) if settings["century_18"] else "19") + text[6:]
            number = body + gb11643.check_character(body)
        born = gb11643.birth_date(number)
        if born is None or not date(1800, 1, 1) <= born <= as_of or not gb11643.is_valid(number):
            return None
        place = _place(number[:6], born.year, tables)
        old = born < _years_before(as_of, int(str(settings["max_age"])))
        findings = [place, "id_age" if old else None, None if full else "id_legacy"]
        return dict.fromkeys(("trunk15", "broken")) | {
            **dict.fromkeys(("raw", "value"), text),
            **dict.fromkeys(("key", "id18"), number),
            "valid": text if full else None,
            "birth": born.year * 10000 + born.month * 100 + born.day,
            "sex": "1" if number[16] in "13579" else "2",
            "area": number[:6],
            "body17": number[:17],
            "findings": sorted(one for one in findings if one is not None),
        }

    def turns(self, options: Options) -> str:
        """A number that is written in full turns in the year of its birth date, and in that in which it is too old."""
        born = "try_cast(substr(raw, 7, 4) as integer)"
        days = "between year($first) and year($last)"
        age = int(str({**self.options, **options}["max_age"]))
        return f"not regexp_full_match(raw, '{_FULL_NUMBER}') or {born} {days} or {born} + {age} {days}"

    def compare(self, column: str, options: Options) -> Comparison:
        def side(name: str, of: str) -> str:
            return f"{column}{'__' if name else ''}{name}_{of}"

        def text(of: str) -> str:
            return f"coalesce({side('broken', of)}, {side('id18', of)})"

        a, b = text("l"), text("r")
        trunk = " or ".join(
            f"{side('trunk15', one)} = substr(coalesce({side('trunk15', two)}, {text(two)}), 1, 15)"
            for one, two in (("l", "r"), ("r", "l"))
        )
        damaged = ", ".join(side(name, of) for of in "lr" for name in ("broken", "trunk15"))
        typo = f"""case when {side("broken", "l")} is null and {side("broken", "r")} is null then false
            when length({a}) = length({b})
            then case hamming({a}, {b}) when 1 then true
                when 2 then damerau_levenshtein({a}, {b}) = 1 else false end
            when abs(length({a}) - length({b})) = 1 then levenshtein({a}, {b}) = 1 else false end"""
        same_start = " and ".join(f"{side(name, 'l')} = {side(name, 'r')}" for name in ("birth", "area"))
        evidence = ("", "broken", "id18", "trunk15")
        nothing = " or ".join(f"coalesce({', '.join(side(name, of) for name in evidence)}) is null" for of in "lr")
        return Comparison(
            nothing,
            (
                Level(
                    "exact",
                    f"{side('', 'l')} = {side('', 'r')} or {side('broken', 'l')} = {side('broken', 'r')}",
                ),
                Level("candidate", f"{side('id18', 'l')} = {side('id18', 'r')}"),
                Level("excel", trunk),
                Level("one_typo", typo),
                Level("same_birth_area", f"coalesce({damaged}) is not null and {same_start}"),
            ),
        )

    def mask(self, value: str) -> str:
        """The first and the last character: with a birth date beside it, more would name the person."""
        return value[0] + "*" * (len(value) - 2) + value[-1] if len(value) > 2 else "*" * len(value)


def _place(area: str, born: int, tables: Tables) -> str | None:
    """What is wrong with the county code of somebody born in a year."""
    if area[0] == "9" or area in _PERMITS:
        return None
    if not tables.begun("county_history", area[:2]):
        return "id_area_unknown"
    known = tables.rows("county_history", area)
    if not known:
        return "id_area_never"
    since = [int(row["since"]) for row in known if row["since"]]
    until = max(int(row["until"] or 9999) for row in known)
    late = bool(since) and min(since) > max(born, 1984) + 20
    return "id_area_after_birth" if until <= max(born, 1983) or late else None


def _years_before(day: date, years: int) -> date:
    """The day so many years before, the last of February for a 29th that there was not."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return day.replace(year=day.year - years, day=28)


def _bare(text: str) -> str:
    """SQL: half-width upper case without blanks, hyphens, quotes, labels; `?` for an unreadable character."""
    return f"""regexp_replace(upper(translate({text}, '{_WRITTEN}', '{_READ}')),
        '[\\s\\p{{Z}}\\p{{C}}\\p{{Han}}\\p{{Pd}}_''’‘`"“”:：()（）\\[\\]]+', '', 'g')"""


def _form(t: str) -> str:
    """SQL: what sort of thing the tidy text is."""
    same = f"length(replace({t}, left({t}, 1), '')) <= 1"
    return f"""case
        when {t} = '' then 'none'
        when {same} or starts_with({t}, '123456789') then 'placeholder'
        when written or regexp_full_match({t}, '{_FULL_NUMBER}') then 'full'
        when regexp_full_match({t}, '{_LEGACY}') then 'legacy'
        when regexp_full_match({t}, '[1-9][0-9]{{16}}') then 'cut17'
        when regexp_full_match({t}, '[HM][0-9]{{8}}([0-9]{{2}})?|[0-9]{{8}}([0-9]{{2}}|[A-Z])?') then 'permit'
        when regexp_full_match({t}, '[A-Z]{{3}}[0-9]{{12}}') then 'card'
        when regexp_full_match({t}, '[1-9][0-9X]{{15,18}}') then 'broken'
        when regexp_full_match({t}, '[1-9][0-9]{{17}}\\.0+') then 'floated'
        when regexp_full_match({t}, '{_SCIENTIFIC}') then 'scientific'
        when regexp_full_match({t}, '[0-9?]{{17}}[0-9X?]') and length(replace({t}, '?', '')) = 17
        then 'unreadable'
        when regexp_full_match({t}, '[0-9X?]*[?][0-9X?]*') then 'masked'
        when regexp_full_match({t}, '[A-Z/]*') then 'none'
        else 'other' end"""


def _century(t: str, options: Options) -> str:
    """SQL: the century digits that a 15-digit number leaves out."""
    if not options["century_18"]:
        return "'19'"
    reserved = ", ".join(f"'{sequence}'" for sequence in sorted(CENTENARIANS))
    return f"case when substr({t}, 13) in ({reserved}) then '18' else '19' end"


def _weighted(n: str) -> str:
    """SQL: the weighted digit sum of the 17-digit integer `n` (GB 11643-1999, 4.4), but for multiples of 11.

    A digit is what the number up to it has beyond ten times the number before it, so that each such number counts
    with its digit's weight less ten times the next one: half as many operations as cutting the digits out.
    """
    following = (*WEIGHTS[1:], 0)
    weights = [(weight - 10 * after) % 11 for weight, after in zip(WEIGHTS, following, strict=True)]
    return " + ".join(f"{n} // {10 ** (16 - i)} * {weight}" for i, weight in enumerate(weights))


def _float_step(t: str) -> str:
    """SQL: whether an 18-digit text is a whole number that a 64-bit float can hold: a float was exported."""
    n = f"try_cast({t} as bigint)"
    powers = (57, 58, 59, 60)
    steps = " ".join(f"when {n} < {2**power} then {n} % {2 ** (power - 53)} = 0" for power in powers)
    return f"coalesce(case {steps} end, false)"


CITIZEN_ID = CitizenId(
    name="citizen_id",
    columns={
        "id18": "VARCHAR",
        "valid": "VARCHAR",
        "birth": "INTEGER",
        "sex": "VARCHAR",
        "area": "VARCHAR",
        "body17": "VARCHAR",
        "trunk15": "VARCHAR",
        "broken": "VARCHAR",
    },
    options={"century_18": True, "max_age": 130},
    references=("county_history",),
    ascii=frozenset({"", "key", "id18", "valid", "sex", "area", "body17", "trunk15", "broken"}),
    findings={
        "id_check": Finding("error", "校验码不符", "the check character does not fit"),
        "id_date": Finding("error", "出生日期不存在或在将来", "the birth date is impossible or in the future"),
        "id_malformed": Finding("error", "位数或字符不符", "the wrong length or characters"),
        "id_placeholder": Finding("error", "占位号码", "a placeholder, not a number"),
        "id_excel": Finding("error", "后三位被电子表格改写", "a spreadsheet overwrote the last three digits"),
        "id_scientific": Finding("error", "被写成科学计数法", "scientific notation of a spreadsheet"),
        "id_unreadable": Finding("error", "有一位无法辨认", "one character is unreadable"),
        "id_masked": Finding("error", "号码已脱敏", "digits are masked"),
        "id_check_missing": Finding("warn", "17 位,缺一位", "17 digits: one is missing"),
        "id_age": Finding("warn", "年龄超过上限", "older than anybody is"),
        "id_area_never": Finding("warn", "从未有过的县级代码", "a county code that never existed"),
        "id_area_unknown": Finding("info", "省级代码不存在", "no province has this code"),
        "id_area_after_birth": Finding(
            "info", "县级代码的使用年代与出生年份不合", "the county code was in use at other times"
        ),
        "id_legacy": Finding("info", "15 位旧号码", "a 15-digit number of the first generation"),
        "id_travel_permit": Finding("info", "港澳台来往通行证", "a travel permit, not a number"),
        "id_foreigner_card": Finding("info", "2017 版外国人永久居留证", "a foreigner's card of 2017"),
        "id_not_given": Finding("info", "未填号码", "text instead of a number"),
    },
)
