"""Dates as people write them: whole, without the day, by year only, in Han numerals' company, or as a default.

1 January is kept but not used as evidence: systems fill it in where only the year is known, and a block of
them would be a hub. A lunar date that was typed as a solar one is found through `reference.lunar_months`.
"""

from __future__ import annotations

import re

from rules.kinds.base import Comparison, Finding, Kind, Level, Options

_MISSING = "0, 19000101, 18991230, 18991231, 99991231, 99990909, 99999999, 19700000"

_YEAR = re.compile(r"\d{4}(?!\d(?:\.0*)?$)")
_SAYING = re.compile(r"[^\W年月日]")


class Date(Kind):
    """The kind `date`. Columns: year; ymd as yyyymmdd and md as mmdd, null unless the day is known and no
    default; placeholder; lunar: the solar day (yyyymmdd) if the value was a lunar date."""

    def parse(self, raw: str, options: Options) -> str:
        # What is left to the second reading is null in the first, and the other way.
        return f"""
        with shaped as (
            select raw, case when regexp_full_match(raw, '[0-9]{{8}}') then raw
                when regexp_full_match(raw, '[0-9]{{4}}[-/.年][0-9]{{2}}[-/.月][0-9]{{2}}日?')
                then left(raw, 4) || substr(raw, 6, 2) || substr(raw, 9, 2) end::integer as ymd
            from {raw}
        ), plain as (
            select raw, ymd, case when ymd is null
                then trim(translate(raw, '０１２３４５６７８９／－．', '0123456789/-.')) end as t
            from shaped
        ), parted as (
            select raw, ymd, t, case when t is not null then regexp_extract_all(
                regexp_replace(t, '[T ][0-9]{{1,2}}:.*$', ''), '[0-9]+') end as p
            from plain
        ), numbers as (
            select raw, ymd, case
                when len(p) = 3 and length(p[1]) = 4 then [p[1], p[2], p[3]]
                when len(p) = 2 and length(p[1]) = 4 then [p[1], p[2], '0']
                when len(p) = 1 and length(p[1]) = 8 then [p[1][1:4], p[1][5:6], p[1][7:8]]
                when len(p) = 1 and length(p[1]) = 6 then [p[1][1:4], p[1][5:6], '0']
                when len(p) = 1 and length(p[1]) = 4 then [p[1], '0', '0'] end as q,
                case when t is not null and regexp_full_match(t, '[1-5][0-9]{{4}}(\\.0+)?')
                     then date '1899-12-30' + cast(p[1] as integer) end as excel
            from parted
        ), ints as (
            select raw, excel is not null as serial,
                   coalesce(ymd // 10000, year(excel), try_cast(q[1] as integer))::integer as y,
                   coalesce(ymd // 100 % 100, month(excel), try_cast(q[2] as integer))::integer as m,
                   coalesce(ymd % 100, day(excel), try_cast(q[3] as integer))::integer as d
            from numbers
        ), counted as (
            select raw, serial, y, m, d,
                   case when m < 100 and d < 100 then y * 10000 + m * 100 + d end as digits,
                   case when m between 1 and 12 and d between 1 and 31 and y between 1 and 9999
                        then make_date(y, m, 1) + (d - 1) end as whole
            from ints
        ), named as (
            select raw, serial, y, m, d, digits, case when month(whole) = m then whole end as whole,
                   coalesce(digits in ({_MISSING}) or y = 9999 or y = 0, false) as nothing,
                   coalesce(m = 1 and d = 1, false) as first_of_year
            from counted
        ), named_more as (
            select *, not nothing and (y is null or m > 12 or (m > 0 and d > 0 and whole is null)
                                       or (m = 0 and d > 0)) as impossible,
                   coalesce(whole > $as_of or y > year($as_of), false) and not nothing as future
            from named
        ), final as (
            select n.*, not (nothing or impossible or future) as good,
                   not (nothing or impossible or future) and whole is not null and not first_of_year as precise,
                   l.first_day::date + (d - 1)::integer as as_lunar
            from named_more n left join reference.lunar_months l
              on l.lunar_year::integer = y and l.month::integer = m and l.leap = '0' and d between 1 and l.days::integer
        )
        select raw,
               case when good then case when d > 0 then whole::varchar when m > 0
                    then printf('%04d-%02d', y, m) else printf('%04d', y) end end as value,
               case when precise then whole::varchar end as key,
               case when good then y::smallint end as year,
               case when precise then digits end as ymd,
               case when precise then m * 100 + d end as md,
               nothing or first_of_year as placeholder,
               case when precise and as_lunar <= $as_of
                    then year(as_lunar) * 10000 + month(as_lunar) * 100 + day(as_lunar) end::integer as lunar,
               case when precise and not serial then []::varchar[] else list_sort(list_filter([
                   case when nothing then 'date_missing' end,
                   case when impossible then 'date_impossible' end,
                   case when future then 'date_future' end,
                   case when good and first_of_year then 'date_default' end,
                   case when good and d = 0 then 'date_partial' end,
                   case when serial then 'date_excel_serial' end], lambda f: f is not null)) end as findings
        from final"""

    def compare(self, column: str, options: Options) -> Comparison:
        l, r = f"{column}__ymd_l", f"{column}__ymd_r"  # noqa: E741
        unlike = " + ".join(f"(({l} // {10**k}) % 10 <> ({r} // {10**k}) % 10)::integer" for k in range(8))
        digits = [" + ".join(f"(({side} // {10**k}) % 10)" for k in range(8)) for side in (l, r)]
        levels = (
            Level("exact", f"{l} = {r}"),
            Level("lunar", f"{column}__lunar_l = {r} or {column}__lunar_r = {l}"),
            Level(
                "swapped",
                f"{l} // 10000 = {r} // 10000 and ({l} % 100) = ({r} // 100) % 100 "
                f"and ({r} % 100) = ({l} // 100) % 100",
            ),
            Level("one_digit", f"({unlike}) = 1"),
            Level(
                "transposed",
                f"({unlike}) = 2 and ({digits[0]}) = ({digits[1]}) and {l} // 100000 = {r} // 100000",
            ),
            Level("same_month_day", f"{column}__md_l = {column}__md_r"),
            Level("same_year_imprecise", f"({l} is null or {r} is null) and {column}__year_l = {column}__year_r"),
            Level("same_year", f"{column}__year_l = {column}__year_r"),
        )
        return Comparison(f"{column}__year_l is null or {column}__year_r is null", levels)

    def mask(self, value: str) -> str:
        """The year; of what does not begin with one (the serial number of a spreadsheet, say), nothing.

        What waits for a steward is shown as it came, so every way to write a date is masked.
        """
        year = _YEAR.match(value)
        kept = year.end() if year else 0
        return value[:kept] + _SAYING.sub("*", value[kept:])


DATE = Date(
    name="date",
    columns={
        "year": "SMALLINT",
        "ymd": "INTEGER",
        "md": "INTEGER",
        "placeholder": "BOOLEAN",
        "lunar": "INTEGER",
    },
    findings={
        "date_missing": Finding("warn", "占位日期，视为空", "a placeholder that means: no date"),
        "date_impossible": Finding("error", "不存在的日期", "no such day"),
        "date_future": Finding("error", "日期在将来", "a day that has not come"),
        "date_default": Finding("warn", "1月1日，可能为默认值", "1 January, often a default"),
        "date_partial": Finding("warn", "日期不完整", "day or month unknown"),
        "date_excel_serial": Finding("warn", "Excel 日期序号，已还原", "an Excel serial number, converted"),
    },
    references=("lunar_months",),
    ascii=frozenset({"", "key"}),
)
