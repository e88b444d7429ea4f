"""Tells an explanation to people: sentences in Chinese or English, values masked, weights as a picture.

Reads nothing but what it is handed.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from linkage.block import masked_keys
from linkage.explain import Explanation, Join
from rules.masking import mask_value
from rules.model import EntityRules
from rules.titles import comparison_title, level_title

Language = Literal["zh", "en"]
Document = dict[str, Any]

SAID: dict[str, dict[Language, str]] = {
    "accept": {
        "zh": "权重 {weight:.2f}，达到合并线 {accept:g}：自动合并",
        "en": "weight {weight:.2f}, at or above {accept:g}: accepted",
    },
    "review": {
        "zh": "权重 {weight:.2f}，介于复核线 {review:g} 与合并线 {accept:g} 之间：待人工判定",
        "en": "weight {weight:.2f}, between {review:g} and {accept:g}: waits for a steward",
    },
    "guard": {
        "zh": "权重 {weight:.2f}，但规则要求人工判定：{guards}",
        "en": "weight {weight:.2f}, but a guard of the rules holds it back: {guards}",
    },
    "reject": {
        "zh": "权重 {weight:.2f}，但规则排除这一对：{guards}",
        "en": "weight {weight:.2f}, but a guard of the rules excludes the pair: {guards}",
    },
    "below": {
        "zh": "权重 {weight:.2f}，低于复核线 {review:g}，差 {lacking:.2f}",
        "en": "weight {weight:.2f}, below {review:g}: {lacking:.2f} are missing",
    },
    "together": {"zh": "两条记录同属一个实体", "en": "both records are one entity"},
    "apart": {"zh": "两条记录不属同一实体", "en": "the records are different entities"},
    "path": {"zh": "经由 {path} 连在一起", "en": "they came together through {path}"},
    "found": {"zh": "由分块规则 {rules} 找到", "en": "found by the blocking rule {rules}"},
    "not_found": {
        "zh": "没有分块规则能找到这一对：两条记录须有一组键值相同",
        "en": "no blocking rule finds the pair: the keys of one rule would have to be equal",
    },
    "hub": {
        "zh": "规则 {rules} 的键值过于常见，不用于分块",
        "en": "the keys of rule {rules} are too common to block anything",
    },
    "duplicate_free": {
        "zh": "合并被拒：同一来源声明其记录互不重复",
        "en": "the union was refused: a source that is free of duplicates names both",
    },
    "pinned": {
        "zh": "合并被拒：其中一个实体已被人工固定，只凭人工判定加入",
        "en": "the union was refused: a steward pinned one of the entities, and only decisions join anything to it",
    },
    "different": {
        "zh": "合并被拒：已有人工判定为不同",
        "en": "the union was refused: a steward said that they differ",
    },
    "slot": {
        "zh": "合并被拒：合并后同一实体将有两个不同的 {slot}",
        "en": "the union was refused: one entity would have two values of {slot}",
    },
    "decided": {"zh": "人工判定：{kinds}", "en": "stewards decided: {kinds}"},
    "same": {"zh": "相同", "en": "same"},
    "unsure": {"zh": "未定", "en": "unsure"},
    "join": {
        "zh": "第 {n} 步：{left} 与 {right}，权重 {weight}，规则 {by}（{a} 条并 {b} 条）",
        "en": "step {n}: {left} and {right}, weight {weight}, rule {by} ({a} + {b} records)",
    },
    "join_decision": {
        "zh": "第 {n} 步：{left} 与 {right}，人工判定相同（{a} 条并 {b} 条）",
        "en": "step {n}: {left} and {right}, by a steward's decision ({a} + {b} records)",
    },
    "one_record": {"zh": "只有一条记录，未经合并", "en": "one record, which nothing joined"},
    "prior": {"zh": "先验", "en": "prior"},
    "weight": {"zh": "权重（比特）", "en": "match weight (bits)"},
    "sum": {"zh": "合计", "en": "sum"},
}


def say(name: str, language: Language, **values: object) -> str:
    """One sentence of SAID."""
    return SAID[name][language].format(**values)


def document(rules: EntityRules, found: Explanation, folder: Path, language: Language, unmask: bool) -> Document:
    """An explanation for machines and for pages: masked unless `unmask`, with titles and sentences in a language."""
    entity = rules.entity
    told = asdict(found)
    if not unmask:
        for reading in told["readings"]:
            for name in ("said", "read"):
                reading[name] = tuple(mask_value(entity, reading["field"], value) for value in reading[name])
        for block, rule in zip(told["blocks"], entity.blocking, strict=True):
            block["keys"] = tuple(masked_keys(entity, rule, side) for side in block["keys"])
    for reading in told["readings"]:
        reading["title"] = getattr(entity.fields[reading["field"]].title, language)
    for part in told["parts"]:
        part["title"] = getattr(comparison_title(folder, entity, part["comparison"]), language)
        part["level_title"] = getattr(level_title(folder, part["level"]), language)
    return told | {"sentences": sentences(found, language)}


def sentences(found: Explanation, language: Language) -> list[str]:
    """What an explanation says, in the order in which people ask: what became of it, and why."""

    def one(name: str, **values: object) -> str:
        return say(name, language, **values)

    told = [one("together" if found.together else "apart")]
    told.append(
        one(
            found.verdict,
            weight=found.match_weight,
            accept=found.accept,
            review=found.review,
            lacking=found.review - found.match_weight,
            guards="; ".join(found.guards),
        )
    )
    meeting = [block.rule for block in found.blocks if block.meets]
    told.append(one("found", rules="; ".join(meeting)) if meeting else one("not_found"))
    hubs = [block.rule for block in found.blocks if block.hub]
    told += [one("hub", rules="; ".join(hubs))] if hubs else []
    if found.path:
        told.append(one("path", path=" → ".join("/".join(record) for record in found.path)))
    if found.refused is not None:
        known = found.refused in ("duplicate_free", "different", "pinned")
        told.append(one(found.refused) if known else one("slot", slot=found.refused))
    if found.decided:
        told.append(one("decided", kinds=", ".join(_decided(kind, language) for kind in found.decided)))
    return told


def picture(told: Document, language: Language) -> str:
    """The waterfall of a document's weights as SVG."""
    # Drawing libraries are slow to load, and every command would wait for them.
    from golden_records import charts

    bars, at = [], 0.0
    parts = [(say("prior", language), told["prior"])]
    parts += [(f"{one['title']}：{one['level_title']}", one["weight"]) for one in told["parts"]]
    for name, weight in parts:
        bars.append(_bar(name, at, at + weight, weight, "for" if weight >= 0 else "against"))
        at += weight
    bars.append(_bar(say("sum", language), 0.0, told["match_weight"], told["match_weight"], "sum"))
    return charts.waterfall(bars, "why", say("weight", language))


def _bar(name: str, low: float, high: float, n: float, way: str) -> Document:
    return {"name": name, "low": low, "high": high, "right": max(low, high), "n": n, "way": way}


def steps(joins: list[Join], language: Language) -> list[str]:
    """How a golden record grew, a sentence a step."""
    if not joins:
        return [say("one_record", language)]
    return [
        say(
            "join_decision" if one.match_weight is None else "join",
            language,
            n=i,
            left="/".join(one.left),
            right="/".join(one.right),
            weight="" if one.match_weight is None else f"{one.match_weight:.2f}",
            by=one.by,
            a=one.sizes[0],
            b=one.sizes[1],
        )
        for i, one in enumerate(joins, 1)
    ]


def _decided(kind: str, language: Language) -> str:
    return say(kind, language) if kind != "different" else {"zh": "不同", "en": "different"}[language]
