"""Telephone numbers: an 11-digit mobile number, or a landline with its area code, as digits only."""

from __future__ import annotations

import re
from datetime import date

from rules.kinds.base import Comparison, Finding, Kind, Level, Options, Row, Tables, literal

PLACEHOLDERS = ("13800138000", "13800000000", "12345678901", "12345678", "13000000000", "13900000000")


class Phone(Kind):
    """The kind `phone`."""

    def parse(self, raw: str, options: Options) -> str:
        return f"""
        with told as (
            select raw, regexp_full_match(raw, '1[3-9][0-9]{{9}}') as mobile from {raw}
        ), digits as (
            select raw, mobile, case when mobile then raw else regexp_replace(
                regexp_replace(translate(raw, '０１２３４５６７８９＋－', '0123456789+-'), '[^0-9]', '', 'g'),
                '^(0086|86)(1[0-9]{{10}})$', '\\2') end as d
            from told
        ), trimmed as (
            select raw, mobile, case when length(d) = 12 and d like '01%' then substr(d, 2) else d end as d from digits
        ), judged as (
            select raw, d, {_placeholder("d")} as placeholder, case when mobile then true
                else regexp_full_match(d, '1[3-9][0-9]{{9}}|0[1-9][0-9]{{8,10}}|[2-9][0-9]{{6,7}}') end as good
            from trimmed
        )
        select raw, nullif(d, '') as value, case when good and not placeholder then d end as key,
               case when placeholder then ['phone_placeholder'] when good then []::varchar[]
                    else ['phone_malformed'] end as findings
        from judged"""

    def usual(self, text: str, tables: Tables, as_of: date, options: Options) -> Row | None:
        """A mobile number in eleven digits that is no placeholder."""
        if not re.fullmatch("1[3-9][0-9]{9}", text) or text in PLACEHOLDERS or len(text.replace(text[-1], "")) <= 1:
            return None
        return {"raw": text, "value": text, "key": text, "findings": []}

    def compare(self, column: str, options: Options) -> Comparison:
        same = Level("same", f"{column}__key_l = {column}__key_r", f"{column}__key")
        return Comparison(f"{column}__key_l is null or {column}__key_r is null", (same,))

    def mask(self, value: str) -> str:
        return f"{value[:3]}****{value[-4:]}" if len(value) >= 10 else "****" + value[-2:]


def _placeholder(d: str) -> str:
    """Numbers that people type to get past a form: one digit repeated, 13800138000, a running sequence."""
    return f"(length(replace({d}, right({d}, 1), '')) <= 1 or {d} in ({', '.join(map(literal, PLACEHOLDERS))}))"


PHONE = Phone(
    name="phone",
    findings={
        "phone_placeholder": Finding("warn", "占位电话号码", "a placeholder, not a number"),
        "phone_malformed": Finding("warn", "电话号码格式不符", "not a telephone number"),
    },
    ascii=frozenset({"", "key"}),
)
