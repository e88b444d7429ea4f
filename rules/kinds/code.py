"""A value of a code list: sex, marital status, relation …; text and old codes are read as the current code."""

from __future__ import annotations

from rules.kinds.base import Comparison, Finding, Kind, Level, Options, literal


class Code(Kind):
    """The kind `code`. Option `list` names the list in `reference.codes`; unknown codes are kept, not used."""

    def parse(self, raw: str, options: Options) -> str:
        return f"""
        with spoken as (
            select code, unnest(list_distinct([code, zh, en] || string_split(coalesce(aliases, ''), '|'))) as word
            from reference.codes where list = {literal(str(options["list"]))}
        ), word as (select lower(word) as word, min(code) as code from spoken where word <> '' group by all)
        select r.raw, coalesce(w.code, trim(r.raw)) as value, w.code as key,
               case when w.code is null then ['unknown_code'] else []::varchar[] end as findings
        from {raw} r left join word w on w.word = lower(trim(translate(r.raw, '０１２３４５６７８９', '0123456789')))"""

    def compare(self, column: str, options: Options) -> Comparison:
        same = Level("same", f"{column}__key_l = {column}__key_r", f"{column}__key")
        return Comparison(f"{column}__key_l is null or {column}__key_r is null", (same,))

    def mask(self, value: str) -> str:
        return value


CODE = Code(
    name="code",
    options={"list": ""},
    findings={"unknown_code": Finding("warn", "代码不在代码表中", "the code is in no list")},
    references=("codes",),
)
