"""A source's own scorecard as an XLSX workbook, to be sent to it with what it is asked to correct.

It holds counts and shares only, no value of any record.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import xlsxwriter

from rules.errors import RefusedError

Document = dict[str, Any]
Cells = list[list[object]]
SHARE_COLUMNS = ["比率 share", "A", "B", "下限 low", "上限 high"]


def write_scorecard(document: Document, target: Path) -> None:
    """Write the scorecard of one source (`scorecard(…, source=…)`) to `target`; RefusedError: it exists."""
    if target.exists():
        raise RefusedError(f"{target} exists; choose another name")
    with xlsxwriter.Workbook(str(target)) as book:
        formats = {
            "head": book.add_format({"bold": True, "bg_color": "#EEF2F6", "bottom": 1, "text_wrap": True}),
            "share": book.add_format({"num_format": "0.00%"}),
            "count": book.add_format({"num_format": "#,##0"}),
        }
        for title, head, rows in _sheets(document):
            _sheet(book, formats, title, head, rows)
    target.chmod(0o600)


def _sheets(document: Document) -> list[tuple[str, list[str], Cells]]:
    measures, indicators = document["measures"], document["indicators"]

    def named(measure: str) -> list[object]:
        one = measures[measure]
        return [indicators[one["indicator"]]["zh"], f"{one['zh']} {one['en']}"]

    cards = document["entities"].items()
    told: Cells = [[name, *named(one["measure"]), *_cells(one)] for name, card in cards for one in card["measures"]]
    fields: Cells = [
        [name, _titled(card, one["field"]), *named(one["measure"]), *_cells(one)]
        for name, card in cards
        for one in card["by_source_and_field"]
    ]
    broken: Cells = [
        [name, _titled(card, one["field"]), one["rule"], f"{one['zh']} {one['en']}", one["broken"], *_cells(one)]
        for name, card in cards
        for one in card["rules"]
    ]
    trend: Cells = [
        [name, one["release"], one["as_of"], *named(one["measure"]), *_cells(one)]
        for name, card in cards
        for one in card["trend"]
    ]
    formulas: Cells = [
        [*named(name), one["formula"]["zh"], one["formula"]["en"]] for name, one in document["measures"].items()
    ]
    about: Cells = [
        ["来源 source", str(document["source"] or "")],
        ["依据 standard", document["standard"]],
        ["发布版本 release", document["release"]],
        ["截至 as of", document["as_of"]],
    ]
    for name, card in cards:
        for one in card["sources"].values():
            about += [[f"{name}: 名称 title", f"{one['zh']} {one['en']}"], [f"{name}: 单位 owner", one["owner"]]]
    entity, measure = "实体类型 entity type", ["指标 indicator", "度量 measure"]
    return [
        ("说明", ["", ""], about),
        ("评分", [entity, *measure, *SHARE_COLUMNS], told),
        ("字段", [entity, "字段 field", *measure, *SHARE_COLUMNS], fields),
        ("规则", [entity, "字段 field", "规则 rule", "含义 meaning", "违反 broken", *SHARE_COLUMNS], broken),
        ("趋势", [entity, "发布版本 release", "截至 as of", *measure, *SHARE_COLUMNS], trend),
        ("口径", [*measure, "公式", "formula"], formulas),
    ]


def _titled(card: Document, field: str | None) -> str:
    known = card["fields"].get(field)
    return f"{known['zh']} {field}" if known else field or ""


def _cells(one: Document) -> list[object]:
    return [one["share"], one["A"], one["B"], one["low"], one["high"]]


def _sheet(book: Any, formats: dict[str, Any], title: str, head: list[str], rows: Cells) -> None:
    sheet = book.add_worksheet(title)
    sheet.write_row(0, 0, head, formats["head"])
    widths = [len(name) for name in head]
    for at, row in enumerate(rows, start=1):
        for column, cell in enumerate(row):
            widths[column] = max(widths[column], min(48, len(str(cell)) + len(str(cell).encode()) // 3))
            if isinstance(cell, float):
                sheet.write_number(at, column, cell, formats["share"])
            elif isinstance(cell, int):
                sheet.write_number(at, column, cell, formats["count"])
            elif cell is not None:
                sheet.write_string(at, column, str(cell))
    for column, width in enumerate(widths):
        sheet.set_column(column, column, 10 if head[column] in SHARE_COLUMNS else width + 2)
    sheet.freeze_panes(1, 0)
