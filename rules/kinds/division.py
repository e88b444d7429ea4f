"""Division codes: GB/T 2260 (2, 4, 6 digits) with the township (9) and committee (12) digits behind it.

Codes rot: of 5,892 county codes since 1981 fewer than half are in force. `county_now` follows unique
successors to the code in force, so that a record of 1996 and one of 2024 meet; where a county was divided
among several the answer is null, not a guess.
"""

from __future__ import annotations

from rules.kinds.base import Comparison, Finding, Kind, Level, Options

# Common table expressions: `latest`, the last state of each code, and `present`, the code in force that it became.
NOW = """
        -- a null year means in force: a code given a second time is not retired
        latest as (
            select code, arg_max_null(until, since::integer) as until,
                   arg_max_null(successors, since::integer) as successors
            from reference.county_history group by code
        ), step as (
            select code, list_filter(string_split(coalesce(successors, ''), ';'),
                                     lambda s: s <> '' and not contains(s, '[')) as next
            from latest where coalesce(until, '') <> ''
        ), chain as (
            select code, case when len(next) = 1 then next[1] end as reached, 1 as depth from step
            union all
            select c.code, case when len(s.next) = 1 then s.next[1] end, depth + 1
            from chain c join step s on s.code = c.reached where depth < 12
        ), present as (
            select code, arg_max_null(reached, depth) as county_now, arg_max_null(reached is null, depth) as lost
            from chain group by code)"""


class Division(Kind):
    """The kind `division`."""

    def parse(self, raw: str, options: Options) -> str:
        return f"""
        with recursive {NOW}, digits as (
            select raw, regexp_replace(translate(raw, '０１２３４５６７８９', '0123456789'), '[^0-9]', '', 'g') as d
            from {raw}
        ), formed as (
            select raw, case when regexp_full_match(d, '[1-9][0-9]+') and length(d) in (2, 4, 6, 9, 12) then
                regexp_replace(regexp_replace(regexp_replace(regexp_replace(d,
                    '^([0-9]{{9}})000$', '\\1'), '^([0-9]{{6}})000$', '\\1'),
                    '^([0-9]{{4}})00$', '\\1'), '^([0-9]{{2}})00$', '\\1') end as code from digits
        ), placed as (
            select raw, code, case when length(code) >= 6 then left(code, 6) end as county from formed
        )
        select p.raw, p.code as value, p.code as key, left(p.code, 2) as province, p.county,
               case when n.code is null then p.county when not n.lost then n.county_now end as county_now,
               case when length(p.code) >= 9 then left(p.code, 9) end as township,
               length(p.code)::tinyint as depth,
               case when p.code is null then ['division_malformed']
                    when p.county is not null and l.code is null then ['division_unknown']
                    when n.code is not null then ['division_retired'] else []::varchar[] end as findings
        from placed p left join present n on n.code = p.county left join latest l on l.code = p.county"""

    def compare(self, column: str, options: Options) -> Comparison:
        def same(part: str) -> str:
            return f"{column}__{part}_l = {column}__{part}_r"

        levels = (
            Level("same", same("key")),
            Level("same_township", same("township")),
            Level("same_county", same("county_now")),
            Level("same_province", same("province")),
        )
        return Comparison(f"{column}__key_l is null or {column}__key_r is null", levels)

    def mask(self, value: str) -> str:
        return value[:9]


DIVISION = Division(
    name="division",
    columns={
        "province": "VARCHAR",
        "county": "VARCHAR",
        "county_now": "VARCHAR",
        "township": "VARCHAR",
        "depth": "TINYINT",
    },
    findings={
        "division_malformed": Finding("error", "不是行政区划代码", "not a division code"),
        "division_unknown": Finding("info", "县级代码从未启用", "a county code that was never in force"),
        "division_retired": Finding("info", "县级代码已停用", "a county code no longer in force"),
    },
    references=("county_history",),
    ascii=frozenset({"", "key", "province", "county", "county_now", "township"}),
)
