"""The quality scorecard (GB/T 36344-2018): shares with numerator, denominator and interval, out of releases alone.

Reads: quality.parquet of a release and of those before it (for the trend).

A share is always told with A and B, what it is a share of, and with Wilson's 95 % interval. Measures of one indicator
are kept apart where they mean different things. The accuracy of data (数据信息准确率) is told in three ways that do
not replace each other: an audited sample, agreement with the lead source, precision and recall of linkage.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from golden_records import accuracy
from golden_records.intervals import wilson
from golden_records.manifest import read_manifest, releases_of
from golden_records.query import Release
from golden_records.segments import has_table, table_sql
from rules.errors import NotFoundError
from rules.kinds import KINDS
from rules.model import EntityRules, Rules

Document = dict[str, Any]
INDICATORS = {
    "conformity": ("规范性", "conformity"),
    "completeness": ("完整性", "completeness"),
    "accuracy": ("准确性", "accuracy"),
    "consistency": ("一致性", "consistency"),
    "timeliness": ("时效性", "timeliness"),
    "accessibility": ("可访问性", "accessibility"),
}


@dataclass(frozen=True)
class Measure:
    """One measure: the indicator it belongs to, its names, what A and B count in both languages."""

    indicator: str
    zh: str
    en: str
    formula_zh: str
    formula_en: str


MEASURES = {
    "conformity": Measure(
        "conformity",
        "值合规率",
        "values in form",
        "无警告、无错误的值 ÷ 已填的值",
        "values without a finding of severity warn or error ÷ values given",
    ),
    "completeness": Measure(
        "completeness", "填充率", "cells filled", "已填单元 ÷ 应填单元", "cells filled ÷ cells of the mapped fields"
    ),
    "authority_agreement": Measure(
        "accuracy",
        "与数源一致率",
        "agreement with the authority",
        "与同一实体数源部门的值相等的值 ÷ 可比的值",
        "values equal to the lead source's of the same golden record ÷ comparable ones",
    ),
    "no_duplicate": Measure(
        "accuracy",
        "无重复率",
        "no duplicates",
        "本来源中唯一的记录 ÷ 已归并的记录",
        "records that are the only one of their source in their golden record ÷ records",
    ),
    "source_agreement": Measure(
        "consistency",
        "多源一致率",
        "agreement across sources",
        "与其他来源相等的比对 ÷ 全部比对",
        "comparisons with another source's value that are equal ÷ comparisons",
    ),
    "cross_field": Measure(
        "consistency",
        "字段间校验通过率",
        "checks across fields",
        "通过的校验 ÷ 适用的校验",
        "checks passed ÷ checks that apply",
    ),
    "timeliness": Measure(
        "timeliness",
        "周期内记录率",
        "records in time",
        "来源在更新周期内报送的记录 ÷ 记录",
        "records whose source delivered within its cycle ÷ records",
    ),
    "delivery_on_time": Measure(
        "accessibility",
        "按时报送率",
        "deliveries on time",
        "周期内的报送 ÷ 首末次之间应有的报送",
        "deliveries within the cycle ÷ those expected between the first and the last",
    ),
    "rows_accepted": Measure(
        "accessibility", "接收率", "rows accepted", "接收的行 ÷ 读入的行", "rows accepted ÷ rows read"
    ),
}
VALUED = "field is not null and measure not in ('conformity_rule', 'cross_field')"
Part = tuple[str | None, tuple[str, ...] | None]  # a source and regions
_READ = "select indicator, measure, source, region, field, rule, hits, n from"


def scorecard(
    release: Release,
    rules: Rules,
    entity: str | None = None,
    source: str | None = None,
    regions: tuple[str, ...] | None = None,
) -> Document:
    """The scorecard of a release, for one entity type or all, for one source or all.

    With `regions`, beginnings of division codes, only what is counted in one of them counts: nothing that is told of
    whole sources, such as their deliveries.

    Raises:
        NotFoundError: the release lacks the entity type, the source, or any counts of quality.
    """
    names = [name for name in release.manifest.entities if entity in (None, name)]
    if not names:
        raise NotFoundError(f"release {release.manifest.release} has no entity type {entity!r}")
    lineage = [number for number in releases_of(release.folder.parent) if number <= release.manifest.release]
    cards = {}
    for name in names:
        one = rules.entities.get(name)
        folders = {number: release.folder.parent / str(number) / name for number in lineage}
        held = {number: folder for number, folder in folders.items() if has_table(folder, "quality")}
        if release.manifest.release not in held:
            continue
        with duckdb.connect() as con:
            card = _card(con, held, one, (source, regions))
        if card is not None:
            cards[name] = card
    if not cards and regions is not None:
        raise NotFoundError(f"release {release.manifest.release} has no counts of quality in {', '.join(regions)}")
    if not cards and source is not None:
        raise NotFoundError(f"release {release.manifest.release} has no counts of a source {source!r}")
    if not cards:
        raise NotFoundError(
            f"release {release.manifest.release} has no counts of quality; it was made by an earlier version: "
            "run 'shuyuan plan' and 'shuyuan publish'"
        )
    return {
        "standard": "GB/T 36344-2018",
        "release": release.manifest.release,
        "as_of": release.manifest.as_of.isoformat(),
        "source": source,
        "indicators": {name: {"zh": zh, "en": en} for name, (zh, en) in INDICATORS.items()},
        "measures": {
            name: {
                "indicator": one.indicator,
                "zh": one.zh,
                "en": one.en,
                "formula": {"zh": one.formula_zh, "en": one.formula_en},
            }
            for name, one in MEASURES.items()
        },
        "entities": cards,
        "accuracy": {
            "audited": None,
            "authority": {
                name: next((m for m in card["measures"] if m["measure"] == "authority_agreement"), None)
                for name, card in cards.items()
            },
            "linkage": None,
        },
    }


def share(hits: int, n: int) -> Document:
    """A share as it is told everywhere: A of B, the share, its interval; null where nothing was counted."""
    low, high = wilson(hits, n)
    return {
        "A": hits,
        "B": n,
        "share": hits / n if n else None,
        "low": low if n else None,
        "high": high if n else None,
    }


def linkage_accuracy(release: Release, rules: EntityRules, rules_folder: Path, truth: Path) -> Document:
    """Precision and recall of pairs against a truth file, as shares with intervals."""
    with duckdb.connect() as con:
        found = accuracy.evaluate(con, rules, rules_folder, release, truth)
    pairs = found["pairwise"]
    return {
        "entity": rules.name,
        "records": found["records"],
        "precision": share(pairs["right_pairs"], pairs["found_pairs"]),
        "recall": share(pairs["right_pairs"], pairs["true_pairs"]),
    }


def _card(
    con: duckdb.DuckDBPyConnection, held: dict[int, Path], rules: EntityRules | None, part: Part
) -> Document | None:
    """The scorecard of one entity type out of its folders by release, the last of which is the one asked for."""
    source, within = part
    where, values = _part(part)
    con.execute(f"create temp table told as {_READ} {table_sql(held[max(held)], 'quality')} where {where}", values)
    if not con.execute("select count(*) from told").fetchall()[0][0]:
        return None
    regions = con.execute("select count(*) from told where region is not null").fetchall()[0][0]
    notes = []
    if within is not None:
        listed = ", ".join(within)
        told = f"only what is counted in {listed}; what is told of whole sources, such as deliveries, is left out"
        notes.append({"zh": f"仅统计 {listed} 范围内的数据；按来源整体统计的（如报送）不列", "en": told})
    if not regions:
        told = "entity.toml names no `region`, or no record has one: nothing is told by region"
        notes.append({"zh": "规则未定义地区（`region`）或记录均无地区，不分地区计算", "en": told})
    silent = sorted(name for name, one in rules.sources.sources.items() if one.cycle_days is None) if rules else []
    if silent and source in (None, *silent):
        listed = ", ".join(silent)
        told = f"without cycle_days, so neither timeliness nor deliveries on time: {listed}"
        notes.append({"zh": f"未定更新周期（cycle_days），不计时效性和按时报送：{listed}", "en": told})
    if rules is not None and rules.entity.verification.ignore:
        listed = ", ".join(rules.entity.verification.ignore)
        notes.append({"zh": f"不在来源之间比对的字段：{listed}", "en": f"not compared between sources: {listed}"})
    sources = {
        name: {"zh": one.title.zh, "en": one.title.en, "owner": one.owner, "cycle_days": one.cycle_days}
        for name, one in (rules.sources.sources.items() if rules else ())
        if source in (None, name)
    }
    return {
        "title": {"zh": rules.entity.title.zh, "en": rules.entity.title.en} if rules else None,
        "sources": sources,
        "fields": {n: {"zh": f.title.zh, "en": f.title.en} for n, f in rules.entity.fields.items()} if rules else {},
        "measures": _shares(con, "null"),
        "by_source": _grouped(con, "source"),
        "by_region": _grouped(con, "coalesce(region, '')", "measure in (select measure from told where region <> '')")
        if regions
        else {},
        "by_field": _grouped(con, "field", VALUED),
        "by_source_and_field": [
            {"source": row[0], "field": row[1], "measure": row[2], **share(row[3], row[4])}
            for row in con.execute(
                f"select source, field, measure, sum(hits)::bigint, sum(n)::bigint from told where {VALUED} "
                "group by all order by all"
            ).fetchall()
        ],
        "rules": _rules(con, rules),
        "trend": _trend(con, held, part),
        "notes": notes,
    }


def _part(part: Part) -> tuple[str, list[object]]:
    """SQL of the counts of a source (None: of all) in some regions (None: in all, or in none), and its values."""
    source, regions = part
    tests, values = ["true"], list[object]()
    if source is not None:
        tests.append("source = ?")
        values.append(source)
    if regions is not None:
        tests.append("list_bool_or(list_transform(?::varchar[], lambda r: starts_with(region, r)))")
        values.append(list(regions))
    return " and ".join(tests), values


def _shares(con: duckdb.DuckDBPyConnection, key: str, where: str = "true") -> list[Document]:
    """The measures in the order of `MEASURES`, per value of `key`."""
    rows = con.execute(
        f"select {key} as key, measure, sum(hits)::bigint, sum(n)::bigint from told where {where} group by all"
    ).fetchall()
    order = {name: position for position, name in enumerate(MEASURES)}
    rows = sorted((row for row in rows if row[1] in order), key=lambda row: (row[0] or "", order[row[1]]))
    return [
        {"key": row[0], "indicator": MEASURES[row[1]].indicator, "measure": row[1], **share(row[2], row[3])}
        if row[0] is not None
        else {"indicator": MEASURES[row[1]].indicator, "measure": row[1], **share(row[2], row[3])}
        for row in rows
    ]


def _grouped(con: duckdb.DuckDBPyConnection, key: str, where: str = "true") -> dict[str, list[Document]]:
    found: dict[str, list[Document]] = {}
    for one in _shares(con, key, where):
        found.setdefault(one.pop("key"), []).append(one)
    return found


def _rules(con: duckdb.DuckDBPyConnection, rules: EntityRules | None) -> list[Document]:
    """What was breached, by source, field and rule, the most frequent first."""
    titles: dict[str, tuple[str, str]] = {}
    for field in rules.entity.fields.values() if rules else ():
        titles |= {code: (finding.zh, finding.en) for code, finding in KINDS[field.kind].findings.items()}
    if rules is not None:
        titles |= {one.rule: (one.title.zh, one.title.en) for one in rules.entity.checks}
        titles |= {one.rule: (one.title.zh, one.title.en) for one in rules.entity.golden_checks}
    rows = con.execute(
        "select source, field, rule, measure, sum(n - hits)::bigint as broken, sum(hits)::bigint, sum(n)::bigint "
        "from told where rule is not null group by source, field, rule, measure having broken > 0 "
        "order by broken desc, source, field, rule"
    ).fetchall()
    return [
        {
            "source": row[0],
            "field": row[1],
            "rule": row[2],
            "zh": titles.get(row[2], ("", ""))[0],
            "en": titles.get(row[2], ("", ""))[1],
            "broken": row[4],
            **share(row[5], row[6]),
        }
        for row in rows
    ]


def _trend(con: duckdb.DuckDBPyConnection, held: dict[int, Path], part: Part) -> list[Document]:
    """Every measure in every release that has counts, oldest first; of a part or of all."""
    where, values = _part(part)
    found = []
    for number, folder in sorted(held.items()):
        as_of = read_manifest(folder.parent).as_of.isoformat()
        quality = table_sql(folder, "quality")
        rows = con.execute(
            f"select measure, sum(hits)::bigint, sum(n)::bigint from {quality} where {where} group by measure", values
        ).fetchall()
        told = {row[0]: row[1:] for row in rows}
        found += [
            {"release": number, "as_of": as_of, "measure": name, **share(*told[name])}
            for name in MEASURES
            if name in told
        ]
    return found
