"""References to records of another entity type: one (`reference`) or a list of them (`members`).

What a cell holds are keys of another source's records, or values of an identifier. `refers` in sources.toml says
which; the engine writes it before each key, so that a text stands for itself:

    civil_registry/A0001                     the record A0001 of that source
    #citizen_id/880101199003070036           whoever holds this value of the identifier field

Columns: `keys` are the items of the list; `golden` says which entity each of them is, as far as the referenced
entity type is linked (named after the smallest record of its cluster, so that no internal number counts), in
order and each once. An item that nobody knows stands for itself there and is a finding.

A reference is resolved before its entity type is matched, so that it can be evidence, and entity types may not refer
to each other in a circle. With the option `late` it is resolved after all are matched, for relations alone.
"""

from __future__ import annotations

from rules.kinds.base import Comparison, Finding, Kind, Level, Options

UNKNOWN = "reference_unknown"
SEPARATORS = "[;；,，、|\\s]+"


class Reference(Kind):
    """The kinds `reference` and `members`; `many` says whether a value may name several records."""

    many: bool = False

    def parse(self, raw: str, options: Options) -> str:
        several = "[]::varchar[]" if self.many else "case when len(keys) > 1 then ['reference_several'] else [] end"
        return f"""
        with split as (
            select raw, list_sort(list_distinct(list_filter(
                regexp_split_to_array(raw, '{SEPARATORS}'), lambda item: item <> ''))) as keys
            from {raw}
        )
        select raw, nullif(array_to_string(keys, ';'), '') as value, nullif(array_to_string(keys, ';'), '') as key,
               keys, keys as golden, {several}::varchar[] as findings
        from split"""

    def compare(self, column: str, options: Options) -> Comparison:
        left, right = f"{column}__golden_l", f"{column}__golden_r"
        shared = f"len(list_intersect({left}, {right}))"
        levels: tuple[Level, ...] = (Level("same", f"{shared} > 0"),)
        if self.many:
            levels = (
                Level("most", f"{shared} >= 2 and {shared} * 2 >= greatest(len({left}), len({right}))"),
                Level("two", f"{shared} >= 2"),
                Level("only", f"{shared} = 1 and least(len({left}), len({right})) = 1"),
                Level("one", f"{shared} = 1"),
            )
        return Comparison(f"coalesce(len({left}), 0) = 0 or coalesce(len({right}), 0) = 0", levels)

    def mask(self, value: str) -> str:
        """Source keys are no personal data; what stands behind `#` is an identifier."""
        return ";".join(f"{item.split('/')[0]}/***" if item.startswith("#") else item for item in value.split(";"))


class Members(Reference):
    """The kind `members`."""

    many = True


_COLUMNS = {"keys": "VARCHAR[]", "golden": "VARCHAR[]"}
_UNKNOWN = {UNKNOWN: Finding("warn", "所指记录不存在", "a record that nobody knows is named")}

REFERENCE = Reference(
    name="reference",
    columns=_COLUMNS,
    options={"entity": "", "late": False},
    findings=_UNKNOWN
    | {"reference_several": Finding("error", "应只指一条记录", "several records where one may stand")},
)
MEMBERS = Members(name="members", columns=_COLUMNS, options={"entity": "", "late": False}, findings=_UNKNOWN)
