"""The scorecard: every A and B from literal rows, the audited sample, and that page and workbook say the same."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import fastexcel
import pytest

from golden_records.intervals import wilson
from golden_records.page import write_quality
from golden_records.quality import measure
from golden_records.release import rollback
from golden_records.sample import HEADINGS, Drawn, draw, score_sample, write_sample
from golden_records.scorecard import MEASURES, linkage_accuracy, scorecard, share
from golden_records.scorecard_sheet import write_scorecard
from linkage.audit_trail import AuditTrail
from linkage.workspace import Workspace
from rules.errors import InputError, NotFoundError, RefusedError
from rules.model import EntityRules, Rules
from tests.deliveries import invoke
from tests.golden_records.things import DAY, SHIP, Yard, only, record, ship, survived
from tests.leave import give_leave

CHECK = {"rule": "no_owner", "when": "owner is null", "field": "name", "title": {"zh": "无船东", "en": "no owner"}}
ERROR = CHECK | {"rule": "no_name", "when": "name is null", "severity": "error"}
LEADS = {"authority": [{"fields": ["name", "owner"], "order": ["registry", "harbour"]}]}


def cycles(**days: int) -> dict[str, Any]:
    """The sources of ships with the cycles named, registry leading in name and owner."""
    known = tomllib.loads((SHIP / "sources.toml").read_text("utf-8"))["sources"]
    return {"sources": {name: one | {"cycle_days": days.get(name)} for name, one in known.items()}} | LEADS


def judged(rules: EntityRules, *records: dict[str, Any], batches: list[tuple[str, str, int, int]]) -> Any:
    """The counts of literal records and of deliveries (source, day, rows, rejected), by measure."""
    con = survived(rules, records)
    con.execute("create table batch (source varchar, observed_on date, rows bigint, rejected bigint)")
    con.executemany("insert into batch values (?, ?, ?, ?)", [list(row) for row in batches])
    measure(con, rules, DAY)

    def told(name: str) -> list[tuple[Any, ...]]:
        return con.execute(
            "select source, region, field, rule, hits, n from quality where measure = ? order by all", [name]
        ).fetchall()

    return told


@pytest.fixture(scope="module")
def told() -> Any:
    """Two ships: of ship 1 the harbour has two records, one of them with a broken telephone and another's name;
    the record of the insurer has no name and is quarantined."""
    return judged(
        only(
            ship(SHIP, {"region": "port", "checks": [CHECK, ERROR]}, cycles(registry=31, harbour=31)),
            "mark", "name", "owner", "radio", "port",
        ),
        record("registry", "r1", "2024-05-20", "1", mark="MK-1", name="海鸥", owner="甲", port="舟山"),
        record("harbour", "h1", "2024-05-20", "1", mark="MK-1", name="海鸥", owner="乙", port="舟山"),
        record("harbour", "h2", "2024-05-21", "1", mark="MK-1", name="海鸥号", radio="139123456", port="宁波"),
        record("registry", "r2", "2024-05-20", "2", mark="MK-2", name="东风", owner="丙"),
        record("insurer", "i3", "2024-05-20", "3", mark="MK-3"),
        batches=[
            ("registry", "2024-03-01", 10, 1),
            ("registry", "2024-04-01", 10, 0),
            ("registry", "2024-05-20", 2, 0),
            ("harbour", "2024-01-01", 5, 0),
            ("harbour", "2024-04-01", 5, 5),
        ],
    )  # fmt: skip


def test_conformity_counts_the_values_given_and_those_without_a_doubt(told: Any) -> None:
    radio = [row for row in told("conformity") if row[2] == "radio"]
    assert radio == [("harbour", "宁波", "radio", None, 0, 1)]
    assert told("conformity_rule") == [("harbour", "宁波", "radio", "phone_malformed", 0, 1)]
    names = {(row[0], row[1]): row[4:] for row in told("conformity") if row[2] == "name"}
    assert names == {
        ("registry", "舟山"): (1, 1),
        ("registry", None): (1, 1),
        ("harbour", "舟山"): (1, 1),
        ("harbour", "宁波"): (1, 1),
    }


def test_completeness_expects_every_mapped_field_and_counts_quarantined_records(told: Any) -> None:
    rows = told("completeness")
    assert [row[2:] for row in rows if row[0] == "insurer"] == [
        ("mark", None, 1, 1),
        ("name", None, 0, 1),
        ("owner", None, 0, 1),
        ("port", None, 0, 1),
        ("radio", None, 0, 1),
    ]
    assert [row[4:] for row in rows if row[:3] == ("harbour", "宁波", "owner")] == [(0, 1)]


def test_accuracy_compares_with_the_lead_source_and_counts_duplicates_apart(told: Any) -> None:
    assert told("authority_agreement") == [
        ("harbour", "宁波", "name", None, 0, 1),
        ("harbour", "舟山", "name", None, 1, 1),
        ("harbour", "舟山", "owner", None, 0, 1),
    ]
    assert told("no_duplicate") == [
        ("harbour", "宁波", None, None, 0, 1),
        ("harbour", "舟山", None, None, 0, 1),
        ("registry", "舟山", None, None, 1, 1),
        ("registry", None, None, None, 1, 1),
    ]


def test_consistency_counts_comparisons_with_other_sources_and_checks_that_apply(told: Any) -> None:
    names = {row[:2]: row[4:] for row in told("source_agreement") if row[2] == "name"}
    assert names == {("harbour", "宁波"): (0, 1), ("harbour", "舟山"): (1, 1), ("registry", "舟山"): (1, 2)}
    ports = {row[:2]: row[4:] for row in told("source_agreement") if row[2] == "port"}
    assert ports == {("harbour", "宁波"): (0, 1), ("harbour", "舟山"): (1, 1), ("registry", "舟山"): (1, 2)}
    assert told("cross_field") == [
        ("harbour", "宁波", "name", "no_name", 1, 1),
        ("harbour", "宁波", "name", "no_owner", 0, 1),
        ("harbour", "舟山", "name", "no_name", 1, 1),
        ("harbour", "舟山", "name", "no_owner", 1, 1),
        ("insurer", None, "name", "no_name", 0, 1),
        ("insurer", None, "name", "no_owner", 0, 1),
        ("registry", "舟山", "name", "no_name", 1, 1),
        ("registry", "舟山", "name", "no_owner", 1, 1),
        ("registry", None, "name", "no_name", 1, 1),
        ("registry", None, "name", "no_owner", 1, 1),
    ]


def test_timeliness_asks_whether_the_source_delivered_within_its_cycle(told: Any) -> None:
    assert told("timeliness") == [
        ("harbour", "宁波", None, None, 1, 1),
        ("harbour", "舟山", None, None, 1, 1),
        ("registry", "舟山", None, None, 1, 1),
        ("registry", None, None, None, 1, 1),
    ]


def test_accessibility_counts_deliveries_in_time_and_rows_accepted(told: Any) -> None:
    # Registry: the first, one after 31 days, one after 49 (late: as many as fit, two). Harbour: 91 days hold three.
    assert told("delivery_on_time") == [("harbour", None, None, None, 1, 4), ("registry", None, None, None, 2, 4)]
    assert told("rows_accepted") == [("harbour", None, None, None, 5, 10), ("registry", None, None, None, 21, 22)]


def test_a_source_that_is_silent_for_a_cycle_is_no_longer_in_time() -> None:
    rules = only(ship(SHIP, None, cycles(registry=31, harbour=31)), "mark", "name")
    said = judged(
        rules,
        record("registry", "r1", "2024-04-20", mark="MK-1", name="海鸥"),
        record("harbour", "h1", "2000-01-01", mark="MK-1", name="海鸥"),
        batches=[("registry", "2024-04-20", 1, 0), ("harbour", "2024-05-25", 1, 0)],
    )
    assert [(row[0], *row[4:]) for row in said("timeliness")] == [("harbour", 1, 1), ("registry", 0, 1)]


def test_a_copy_is_no_second_voice_but_is_measured_by_its_original() -> None:
    rules = only(ship(SHIP, None, cycles()), "mark", "name")
    said = judged(
        rules,
        record("registry", "r1", mark="MK-1", name="海鸥"),
        record("mirror", "m1", mark="MK-1", name="海欧"),
        batches=[("registry", "2024-04-20", 1, 0)],
    )
    assert said("source_agreement") == []
    assert said("authority_agreement") == [("mirror", None, "name", None, 0, 1)]


def test_of_a_yearly_list_the_newest_row_speaks() -> None:
    known = cycles(registry=366)
    known["sources"]["registry"]["period"] = "year"
    said = judged(
        only(ship(SHIP, None, known), "mark", "name"),
        record("registry", "a", "2023-01-01", mark="MK-1", name="旧名"),
        record("registry", "b", "2024-01-01", mark="MK-1", name="海鸥"),
        record("harbour", "h", "2024-01-01", mark="MK-1", name="海鸥"),
        batches=[("registry", "2024-01-01", 2, 0)],
    )
    names = [(row[0], *row[4:]) for row in said("source_agreement") if row[2] == "name"]
    assert names == [("harbour", 1, 1), ("registry", 1, 1)]
    assert [(row[0], *row[4:]) for row in said("no_duplicate")] == [("harbour", 1, 1), ("registry", 2, 2)]
    assert [(row[0], *row[4:]) for row in said("timeliness")] == [("registry", 1, 1)]


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(0, 0, 0.0, 1.0), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (8, 10, 0.4902, 0.9433), (81, 263, 0.2553, 0.3662)],
)
def test_the_interval_is_the_one_of_wilson(hits: int, n: int, low: float, high: float) -> None:
    assert wilson(hits, n) == pytest.approx((low, high), abs=5e-5)


def test_a_share_of_nothing_is_no_share() -> None:
    assert share(0, 0) == {"A": 0, "B": 0, "share": None, "low": None, "high": None}


# ── out of releases ─────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Yard:
    """A workspace with two releases: the harbour first contradicts the registry, then agrees."""
    yard = Yard.create(tmp_path_factory.mktemp("quality") / "ws")
    rows = [{"id": f"r{n}", "mark": f"MK-{n}", "name": f"海鸥{n}", "owner": "甲"} for n in range(4)]
    yard.deliver("registry", "2024-01-31", *rows)
    yard.deliver(
        "harbour", "2024-02-01", {"id": "h0", "mark": "MK-0", "name": "海欧", "owner": "甲", "radio": "139123456"}
    )
    yard.release(date(2024, 2, 15))
    yard.deliver("harbour", "2024-02-20", {"id": "h0", "mark": "MK-0", "name": "海鸥0", "owner": "甲"})
    yard.release(date(2024, 3, 1))
    return yard


@pytest.fixture(scope="module")
def rules(yard: Yard) -> Rules:
    return yard.ws.load_rules()


@pytest.fixture
def copy(yard: Yard, tmp_path: Path) -> Yard:
    """A copy of it, to be changed."""
    shutil.copytree(yard.ws.root, tmp_path / "copy", symlinks=True)
    return Yard(Workspace.open(tmp_path / "copy"))


@pytest.fixture
def document(yard: Yard, rules: Rules) -> dict[str, Any]:
    with yard.ask() as published:
        return scorecard(published, rules)


def of(measures: list[dict[str, Any]], name: str) -> tuple[int, int]:
    """A and B of one measure."""
    (found,) = [one for one in measures if one["measure"] == name]
    return found["A"], found["B"]


def test_the_scorecard_tells_shares_by_source_with_their_trend(document: dict[str, Any]) -> None:
    card = document["entities"]["ship"]
    assert of(card["measures"], "source_agreement") == (6, 6)
    assert of(card["by_source"]["registry"], "rows_accepted") == (4, 4)
    assert of(card["by_source"]["harbour"], "completeness") == (3, 8)
    trend = [one for one in card["trend"] if one["measure"] == "source_agreement"]
    assert [(one["release"], one["A"], one["B"]) for one in trend] == [(1, 4, 6), (2, 6, 6)]
    assert card["by_region"] == {}
    assert any("no `region`" in note["en"] for note in card["notes"])
    assert set(document["measures"]) == set(MEASURES)


def test_a_rule_that_was_broken_is_named_with_its_title(yard: Yard, rules: Rules) -> None:
    with yard.ask(1) as published:
        (broken,) = scorecard(published, rules)["entities"]["ship"]["rules"]
    assert (broken["source"], broken["field"], broken["rule"], broken["broken"]) == (
        "harbour",
        "radio",
        "phone_malformed",
        1,
    )
    assert broken["en"] == "not a telephone number"


def test_one_source_has_a_scorecard_of_its_own(yard: Yard, rules: Rules, tmp_path: Path) -> None:
    with yard.ask() as published:
        card = scorecard(published, rules, source="harbour")
        with pytest.raises(NotFoundError, match="no counts of a source 'nobody'"):
            scorecard(published, rules, source="nobody")
        with pytest.raises(NotFoundError, match="no entity type 'boat'"):
            scorecard(published, rules, entity="boat")
    assert set(card["entities"]["ship"]["by_source"]) == {"harbour"}
    assert {one["release"] for one in card["entities"]["ship"]["trend"]} == {1, 2}
    target = tmp_path / "harbour.xlsx"
    write_scorecard(card, target)
    book = fastexcel.read_excel(target)
    assert book.sheet_names == ["说明", "评分", "字段", "规则", "趋势", "口径"]
    rows = book.load_sheet("评分").to_polars().rows()
    assert [(row[2].split()[0], row[4], row[5]) for row in rows if row[2].startswith("填充率")] == [("填充率", 3, 8)]
    with pytest.raises(RefusedError, match="exists"):
        write_scorecard(card, target)


def test_a_release_that_was_made_without_counts_says_so(copy: Yard, rules: Rules) -> None:
    (copy.ws.releases / "2" / "ship" / "quality.parquet").unlink()
    with copy.ask() as published, pytest.raises(NotFoundError, match="earlier version"):
        scorecard(published, rules)


def test_a_rollback_has_the_counts_of_the_release_that_came_back(rules: Rules, copy: Yard) -> None:
    number = rollback(copy.ws, 1, date(2024, 4, 1))
    with copy.ask(number) as published:
        card = scorecard(published, rules)["entities"]["ship"]
    assert of(card["measures"], "source_agreement") == (4, 6)


def test_precision_and_recall_have_intervals_as_well(yard: Yard, rules: Rules, tmp_path: Path) -> None:
    truth = tmp_path / "truth.csv"
    truth.write_text("source,source_key,truth\nregistry,r0,a\nharbour,h0,a\nregistry,r1,b\nregistry,r2,b\n", "utf-8")
    with yard.ask() as published:
        found = linkage_accuracy(published, rules.entities["ship"], yard.ws.rules_folder, truth)
    assert (found["precision"]["A"], found["precision"]["B"]) == (1, 1)
    assert (found["recall"]["A"], found["recall"]["B"]) == (1, 2)


def numbers(value: Any) -> Iterator[float]:
    """Every number in a document."""
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from numbers(part)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value


def test_the_page_holds_no_number_that_the_document_lacks(document: dict[str, Any], tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    write_quality(document, target)
    page = target.read_text("utf-8")
    told = json.loads(json.dumps(document))
    known = {f"{n:,}" for n in numbers(told) if isinstance(n, int)}
    known |= {f"{100 * n:.2f}" for n in numbers(told) if isinstance(n, float)} | {""}
    body = re.sub(r"<(style|svg)\b.*?</\1>", " ", page, flags=re.DOTALL)
    cells = re.findall(r'<td class="n"[^>]*>(.*?)</td>', body, flags=re.DOTALL)
    shown = {part for cell in cells for part in re.split(r"[\s/%–]+", re.sub(r"<[^>]+>", " ", cell))}
    assert len(shown) > 10
    assert shown <= known
    with pytest.raises(RefusedError, match="exists"):
        write_quality(document, target)


def test_the_page_asks_nothing_of_any_other_machine(document: dict[str, Any], tmp_path: Path) -> None:
    write_quality(document, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text("utf-8")
    names = re.sub(r'xmlns(:\w+)?="[^"]+"', "", page)
    assert not re.search(r"https?:|//\w+\.|<script|<link|@import|@font-face|src=", names)
    assert page.count("<svg") == 2
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


# ── the audited sample ──────────────────────────────────────────────────────────────────────────────

SAMPLE = Drawn(2, "ship", 6, 7)


@pytest.fixture
def sheet(yard: Yard, rules: Rules, tmp_path: Path) -> Path:
    """A sheet in which every value but one, unknown, is right, and one wrong."""
    path = tmp_path / "sheet.csv"
    with yard.ask() as published:
        count = write_sample(published, rules.entities["ship"], SAMPLE, path, clear=True)
    lines = path.read_text("utf-8-sig").splitlines()
    assert lines[0] == ",".join(HEADINGS)
    assert len(lines) == count + 1
    answers = ["right"] * (count - 2) + ["错", "unknown"]
    path.write_text(
        "\n".join([lines[0], *(line[:-1] + f"{said}," for line, said in zip(lines[1:], answers, strict=True))]), "utf-8"
    )
    return path


def test_a_sample_is_a_function_of_release_entity_size_and_seed(yard: Yard) -> None:
    with yard.ask() as published:
        first, again = draw(published, SAMPLE), draw(published, SAMPLE)
        other = draw(published, Drawn(2, "ship", 6, 8))
        everything = draw(published, Drawn(2, "ship", 1000, 8))
    assert first == again != other
    assert {row[3] for row in first} == {row[3] for row in everything}
    assert len({row[:2] for row in first}) == len(first) == 6
    assert Drawn.of(SAMPLE.name) == SAMPLE
    assert Drawn.of("ship/release 2/size 6") is None


def test_values_are_masked_unless_they_are_asked_for(yard: Yard, rules: Rules, tmp_path: Path) -> None:
    with yard.ask() as published:
        masked, clear = tmp_path / "masked.csv", tmp_path / "clear.csv"
        everything = Drawn(2, "ship", 1000, 1)
        write_sample(published, rules.entities["ship"], everything, masked, clear=False)
        write_sample(published, rules.entities["ship"], everything, clear, clear=True)
        with pytest.raises(RefusedError, match="exists"):
            write_sample(published, rules.entities["ship"], everything, clear, clear=True)
    assert "海鸥1," in clear.read_text("utf-8-sig")
    assert "海鸥1," not in masked.read_text("utf-8-sig")
    assert masked.stat().st_mode & 0o777 == 0o600


def test_a_sheet_is_scored_by_source_and_field(yard: Yard, rules: Rules, sheet: Path) -> None:
    found = score_sample(yard.ws.releases, rules, sheet)
    assert found["right"] == share(4, 5)
    assert (found["wrong"], found["unknown"], found["values"]) == (1, 1, 6)
    assert sum(one["right"]["B"] + one["unknown"] for one in found["by_source"].values()) == 6
    assert sum(one["right"]["B"] + one["unknown"] for one in found["by_field"].values()) == 6


def test_a_sheet_from_a_spreadsheet_in_chinese_is_read_too(yard: Yard, rules: Rules, sheet: Path) -> None:
    sheet.write_bytes(sheet.read_text("utf-8").replace("\n", "\r\n").encode("gb18030"))
    assert score_sample(yard.ws.releases, rules, sheet)["right"] == share(4, 5)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("answer,note", "note,answer", r"line 1 column 8: found heading 'note', expected 'answer'"),
        (",note", "", r"line 1 column 9: 8 headings, expected 9"),
        ("right,", "maybe,", r"line 2 column answer: 'maybe'; write right, wrong or unknown"),
        ("right,", ",", r"line 2 column answer: no answer"),
        ("right,", "right,,", r"line 2 column 10: 10 cells, expected 9"),
        ("ship/release 2", "ship/release x", r"line 2 column sample: not the name of a sample"),
        ("ship/release 2", "boat/release 2", r"line 2 column sample: no entity type 'boat'"),
        (",harbour,", ",insurer,", r"column source: 'insurer', drawn was 'harbour'"),
    ],
)
def test_a_changed_sheet_is_refused_with_line_and_column(
    yard: Yard, rules: Rules, sheet: Path, old: str, new: str, message: str
) -> None:
    text = sheet.read_text("utf-8")
    assert old in text
    sheet.write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(InputError, match=message):
        score_sample(yard.ws.releases, rules, sheet)


def test_a_row_that_is_missing_double_or_strange_is_refused(yard: Yard, rules: Rules, sheet: Path) -> None:
    lines = sheet.read_text("utf-8").splitlines()
    for kept, message in (
        (lines[:-1], "1 of the 6 values that were drawn are missing"),
        (
            [*lines[:-1], lines[-1].replace("seed 7", "seed 9")],
            "line 7 column sample: .*seed 9', but line 2 has .*seed 7'",
        ),
        ([*lines, lines[-1]], "line 8 column golden_id: .* stands there twice"),
        (
            [*lines, re.sub(r",(mark|name|owner),", ",flag,", lines[-1])],
            "line 8 column golden_id: .* flag was not drawn",
        ),
    ):
        sheet.write_text("\n".join(kept), "utf-8")
        with pytest.raises(InputError, match=message):
            score_sample(yard.ws.releases, rules, sheet)
    with pytest.raises(InputError, match="no such file"):
        score_sample(yard.ws.releases, rules, sheet.with_name("none.csv"))


def test_a_sample_needs_an_entity_type_that_was_published(yard: Yard) -> None:
    with yard.ask() as published, pytest.raises(NotFoundError, match="no entity type 'boat'"):
        draw(published, Drawn(2, "boat", 6, 1))


# ── on the command line ─────────────────────────────────────────────────────────────────────────────


def test_the_commands_write_what_they_are_asked_for(copy: Yard, tmp_path: Path) -> None:
    place = ("--workspace", str(copy.ws.root))
    page, book, sheet = tmp_path / "q.html", tmp_path / "q.xlsx", tmp_path / "sheet.csv"
    done = json.loads(invoke("quality", *place, "--html", str(page), "--json").stdout)
    assert of(done["entities"]["ship"]["measures"], "source_agreement") == (6, 6)
    assert page.exists()
    told = invoke("quality", *place, "--source", "harbour", "--xlsx", str(book)).stdout
    assert "harbour" in told and "registry" not in told
    assert book.exists()
    assert invoke("quality", *place, "--by", "region").exit_code == 0
    assert invoke("quality", *place, "--xlsx", str(book)).exit_code == 2
    assert invoke("quality", *place, "--truth", str(sheet)).exit_code == 2
    assert json.loads(invoke("census", *place, "--json").stdout)["entities"]["ship"]["balance"]["adds_up"]
    assert invoke("census", *place, "--html", str(tmp_path / "c.html")).exit_code == 0
    drawn = ("sample", "ship", *place, "--size", "5", "--to", str(sheet))
    assert invoke(*drawn, "--unmask", " ").exit_code == 4
    assert invoke(*drawn, "--unmask", "checked against the files").exit_code == 4 and not sheet.exists()
    assert give_leave(copy.ws.root) == 1
    assert json.loads(invoke(*drawn, "--unmask", "checked against the files", "--json").stdout)["values"] == 5
    (reason, drawing) = AuditTrail(copy.ws.decisions).entries()[-2:]
    assert (reason.action, reason.detail["reason"]) == ("unmask", "checked against the files")
    assert (drawing.action, drawing.detail["values"]) == ("sample", 5)
    sheet.write_text(sheet.read_text("utf-8-sig").replace(",,\n", ",right,\n"), "utf-8")
    told = invoke("quality", *place, "--sample", str(sheet)).stdout
    assert "audited sample" in told
