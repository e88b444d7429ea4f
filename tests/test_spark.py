"""Spark leaves what one machine leaves, and publishes the same release; skew, a lost worker and a dead driver included.

One Spark session for the whole file. Skipped where Java or pyspark is missing.
"""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from demo.population import generate
from golden_records import far_release, relations, release
from golden_records.crosswalk import places
from golden_records.far_release import LOOKED_UP
from golden_records.kept import altered
from golden_records.manifest import current_release
from golden_records.partitions import index_files
from golden_records.plan import plan
from golden_records.query import Release
from golden_records.release import publish, rollback
from golden_records.release_tables import TABLES
from golden_records.replay import replay
from linkage import frequencies, ingest, reading
from linkage.backup import backup, restore
from linkage.cluster import cluster
from linkage.decided import Decided, SourceRecord
from linkage.decisions import Decision, DecisionStore
from linkage.kernel.match import Kernel
from linkage.link import Engine, link, spark_of
from linkage.progress import SILENT
from linkage.spark import blocking, clustering, dialect, loading
from linkage.spark.engine import FOLDER, LINKING, Linking
from linkage.spark.reading import read
from linkage.spark.session import missing, session
from linkage.spark.shelf import Shelf
from linkage.spark.tasks import Parsing
from linkage.sql import statements
from linkage.standardize import own_rules, standardize
from linkage.train import train
from linkage.values import load_references, parsed_sql, texts_sql
from linkage.workspace import Workspace
from rules.columns import quote
from rules.errors import NotFoundError, RefusedError
from rules.loader import SHIPPED, load_rules
from rules.model import EntityRules
from tests.deliveries import invoke, said
from tests.golden_records.changing import World, copy
from tests.linkage.test_changes import state
from tests.linkage.test_ingest import ENTITY, SOURCES
from tests.linkage.things import database, population, vessel

pytestmark = pytest.mark.skipif(missing() is not None, reason=missing() or "")

DAY = date(2026, 1, 31)
SIZE = 400
STATEMENTS = ("spark_block_size", "spark_pair_count", "spark_part", "spark_pair", "spark_star")
AS_OF = f"date '{DAY}'"
TEXTS = [
    *(
        "880402197708070019",
        "88040219770807001",
        "1977-08-07",
        "１９７７年８月７日",
        "张伟",
        "欧阳 娜娜",
        "Ａ",
        "15400008979",
    ),
    *(
        "沧原省清川市东城区人民路12号",
        "880402102",
        "52330000MJ0000001A",
        "01",
        "2",
        "H000123",
        "a;b;c",
        "幸福村村民委员会",
    ),
]
# Tables of a few rows: compiling what reads them would cost more than reading them.
COMPILED = "spark.sql.codegen.factoryMode"
BRIEF = {
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.codegen.wholeStage": "false",
    COMPILED: "NO_CODEGEN",
    "spark.driver.defaultJavaOptions": "-XX:TieredStopAtLevel=1",
}
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    found = session("local[2]", BRIEF)
    yield found
    found.stop()


# ── the SQL ─────────────────────────────────────────────────────────────────────────────────────────

# One call of every function that transpiled SQL has, over the columns of SAMPLE.
CALLS = {
    "count": "count(b)",
    "sum": "sum(a)",
    "min": "min(t)",
    "max": "max(t)",
    "least": "min(least(a, b))",
    "greatest": "max(greatest(a, b))",
    "coalesce": "min(coalesce(t, '国'))",
    "cast": "min(cast(a as varchar))",
    "//": "sum(a * (a - 1) // 2)",
    "%": "sum(a % 3)",
    "case": "sum(case when t is null then a end)",
}
SAMPLE = "(values (1, 2, '国'), (5, null, '红'), (7, 3, null), (null, 4, 'é'), (12, 12, '')) as sample(a, b, t)"


def test_a_statement_calls_nothing_that_has_no_counterpart() -> None:
    called = set().union(*(dialect.named_functions(sql) for name in STATEMENTS for sql in statements(name)))
    assert called <= set(dialect.COUNTERPARTS)
    assert set(CALLS) == set(dialect.COUNTERPARTS)
    with pytest.raises(ValueError, match="levenshtein: no counterpart"):
        dialect.transpiled("select levenshtein(a, b) from t")


@pytest.mark.parametrize("function", sorted(CALLS))
def test_a_function_and_its_counterpart_say_the_same(spark: Any, function: str) -> None:
    """Whether Spark compiles it, as it does for large tables, or not."""
    sql = f"select {CALLS[function]} as said from {SAMPLE}"
    assert function in dialect.named_functions(sql)
    said = dialect.transpiled(sql)
    assert dialect.COUNTERPARTS[function] in said
    with duckdb.connect() as con:
        (told,) = con.execute(sql).fetchall()
    for mode in ("CODEGEN_ONLY", BRIEF[COMPILED]):
        spark.conf.set(COMPILED, mode)
        assert [tuple(row) for row in spark.sql(said).collect()] == [told]


@pytest.mark.parametrize("seed", [1, 2])
def test_stars_are_the_components(spark: Any, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    pairs = [sorted(rng.sample(range(60), 2)) for _ in range(40)] + [[i, i + 1] for i in range(60, 75)]
    edges = spark.createDataFrame([(a, b) for a, b in pairs], "l bigint, r bigint")
    counts = (clustering.FEW + 1, 55)
    found = [clustering._components(Shelf(spark, tmp_path / str(count), "x"), edges, count) for count in counts]
    rounds, gathered = ({tuple(row) for row in one.select("ordinal", "component").collect()} for one in found)
    assert rounds == gathered
    assert (75, 60) in rounds


def test_texts_mean_on_spark_what_they_mean_on_one_machine(spark: Any, tmp_path: Path) -> None:
    """Every column of every kind of the shipped entity types arrives as it was."""
    fields = {
        rule.kind: (rules, field)
        for rules in load_rules(SHIPPED).entities.values()
        for field, rule in rules.entity.fields.items()
    }
    for kind, (rules, field) in fields.items():
        con = database(rules, [{field: text} for text in TEXTS])
        load_references(con, rules.entity, rules.folder.parent)
        said = quote(field)
        parsed = parsed_sql(rules.entity, field, texts_sql(said)).replace("$as_of", AS_OF)
        con.execute(f"create table value_one as {parsed}")
        read(con, spark, tmp_path, Parsing(rules.entity, field, said, rules.folder.parent, DAY), few=0)
        one, many = (
            con.sql(f"select {columns} from {table} order by raw")
            for table, columns in (("value_one", "*"), (f'"value_{field}"', "* exclude (nth)"))
        )
        assert (many.types, many.fetchall()) == (one.types, one.fetchall()), (field, kind)


# ── vessels: guards, refusals, aliases, decisions, skew ─────────────────────────────────────────────


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> tuple[EntityRules, list[dict[str, Any]]]:
    """Rules with trained weights, and records with marks, aliases, groups without duplicates and one large block."""
    folder = tmp_path_factory.mktemp("fleet")
    records = population(150, seed=3)
    rng = random.Random(5)
    for one in records:
        # Some records bear the mark of another vessel.
        mark = rng.randrange(120) if rng.random() < 0.2 else one["truth"] % 120
        one["mark"] = f"k{mark:03}" if rng.random() < 0.6 else None
        one["old_mark"] = f"k{rng.randrange(120):03}" if rng.random() < 0.2 else None
        one["dup_group"] = rng.choice([None, None, "g", "h"])
        one["radio"] = "13900000000" if rng.random() < 0.1 else one["radio"]
    rules = vessel(folder)
    con = database(rules, records)
    standardize(con, rules, folder, DAY)
    train(con, rules)
    return vessel(folder), records


def standing(rules: EntityRules, records: list[dict[str, Any]]) -> duckdb.DuckDBPyConnection:
    con = database(rules, records)
    standardize(con, rules, rules.folder.parent, DAY)
    frequencies.load(con, rules)
    return con


def left(con: duckdb.DuckDBPyConnection) -> dict[str, list[Any]]:
    """What matching and clustering leave, in one order."""
    tables = ("candidate_pair", "candidate_total", "pair_count", "cluster", "refusal")
    return {name: con.execute(f"from {name} order by all").fetchall() for name in tables}


def on_one_machine(con: duckdb.DuckDBPyConnection, rules: EntityRules, *said: Any) -> dict[str, list[Any]]:
    Kernel(con, rules).match()
    cluster(con, rules, *said)
    return left(con)


def on_spark(
    spark: Any, folder: Path, con: duckdb.DuckDBPyConnection, rules: EntityRules, *said: Any
) -> dict[str, list[Any]]:
    linking = Linking(con, Shelf(spark, folder, "x"), rules)
    linking.match(lambda name, total, watched: SILENT.step(name))
    linking.cluster(*said)
    return left(con)


def test_every_pair_refusal_and_cluster_is_that_of_one_machine(
    spark: Any, fleet: tuple[EntityRules, list[dict[str, Any]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Blocks of more than three records are dealt out, and components are found round by round.
    monkeypatch.setattr(blocking, "MOST", 3)
    monkeypatch.setattr(clustering, "FEW", 0)
    rules, records = fleet
    con = standing(rules, records)
    first = on_one_machine(con, rules, [])
    pairs = con.execute(
        "select l.source, l.source_key, r.source, r.source_key, verdict from candidate_pair "
        "join standard l on l.record_id = record_l join standard r on r.record_id = record_r order by 1, 2, 3, 4"
    ).fetchall()
    different = [Decided("different", (a, b), (c, d)) for a, b, c, d, verdict in pairs if verdict == "accept"][::9]
    same = [Decided("same", (a, b), (c, d)) for a, b, c, d, verdict in pairs if verdict == "review"][:3]
    pinned: Sequence[SourceRecord] = [same[0].left]
    one = on_one_machine(con, rules, [*different, *same], pinned)
    many = on_spark(spark, tmp_path / "spark", con, rules, [*different, *same], pinned)
    assert many == one
    assert {reason for *_, reason in one["refusal"]} >= {"mark", "duplicate_free", "different"}
    assert one["cluster"] != first["cluster"]


def test_an_alias_that_another_record_names_licenses_two_values(
    spark: Any, fleet: tuple[EntityRules, list[dict[str, Any]]], tmp_path: Path
) -> None:
    rules, _ = fleet
    boat = {"name": "astra", "owner": "meyer", "radio": "13900000001", "port": "port 1"}
    records = [
        {"key": "a", **boat, "mark": "k111"},
        {"key": "b", **boat, "mark": "k222"},
        {"key": "z", "name": "borea", "mark": "k111", "old_mark": "k222"},
    ]
    con = standing(rules, records)
    one = on_one_machine(con, rules, [])
    assert on_spark(spark, tmp_path / "spark", con, rules, []) == one
    assert (1, 0) in one["cluster"]
    assert not one["refusal"]


def test_too_many_pairs_are_refused_before_any_is_made(
    spark: Any, fleet: tuple[EntityRules, list[dict[str, Any]]], tmp_path: Path
) -> None:
    rules, records = fleet
    entity = rules.entity.model_copy(update={"matching": rules.entity.matching.model_copy(update={"budget": 0.01})})
    narrow = rules.model_copy(update={"entity": entity})
    con = standing(rules, records)
    with pytest.raises(RefusedError, match="more than the budget"):
        on_spark(spark, tmp_path / "spark", con, narrow, [])
    assert not (tmp_path / "spark/pair").exists()


def test_a_run_takes_up_what_one_that_died_had_finished(
    spark: Any, fleet: tuple[EntityRules, list[dict[str, Any]]], tmp_path: Path
) -> None:
    rules, records = fleet
    con = standing(rules, records)
    one = on_one_machine(con, rules, [])
    with pytest.raises(RefusedError, match="contradict"):
        wrong = [Decided(kind, ("a", "00000"), ("a", "00001")) for kind in ("same", "different")]
        on_spark(spark, tmp_path / "spark", con, rules, wrong)
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "spark/candidate_pair").iterdir()}
    assert on_spark(spark, tmp_path / "spark", con, rules, []) == one
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "spark/candidate_pair").iterdir()} == stamps
    Shelf(spark, tmp_path / "spark", "other inputs")
    assert not (tmp_path / "spark/candidate_pair").exists()


# ── files ───────────────────────────────────────────────────────────────────────────────────────────

SHOPS = [f"{i},店{i % 50},154{i:08}" for i in range(300)]
NEWS = [f"n{i},店{i},{'删' if i % 7 == 0 else '改'},2024-01-{i % 28 + 1:02}" for i in range(300)]


def delivery(folder: Path) -> None:
    """Files of every sort, sound ones, some with rows that are rejected, and some that are refused."""
    full, news = "编号,名称,电话", "编号,名称,操作,日期"
    texts = {
        # A key twice, in parts far from each other, and a row without one.
        "full_20240101.csv": [full, *SHOPS[:250], ",无号,", SHOPS[3]],
        "full_20240201.csv": [full, *SHOPS[100:], '300,"店,带逗号",', "301,少", "", "302,店\ud800,"],
        "full_20240301.csv": [full, *SHOPS[50:200], "", *SHOPS[200:]],
        "full_heading.csv": [full],
        "full_empty.csv": [],
        "full_lacks.csv": [full.replace("编号", "代码"), *SHOPS],
        "full_twice.csv": [full.replace("电话", "名称"), *SHOPS],
        "news_20240105.csv": [news, *NEWS, "n301,店,改,2024年1月9日", "n302,店,改,昨天"],
    }
    folder.mkdir()
    for name, lines in texts.items():
        text = "".join(f"{line}\r\n" for line in lines).encode("utf-8", "surrogatepass")
        (folder / name).write_bytes(text)
    (folder / "news_gb_20240107.csv").write_bytes("\n".join([news, *NEWS[9:]]).encode("gb18030"))
    (folder / "full_sheet.docx").write_bytes(b"")
    cells = {name: [row.split(",")[i] for row in NEWS] for i, name in enumerate(news.split(","))}
    pq.write_table(pa.table(cells), folder / "news_20240106.parquet", row_group_size=40)
    whole = (folder / "news_20240106.parquet").read_bytes()
    (folder / "news_cut_20240106.parquet").write_bytes(whole[:-60])
    (folder / "news_torn_20240106.parquet").write_bytes(whole[:200] + bytes(200) + whole[400:])
    (folder / "of_nobody.csv").write_text("a,b\n1,2\n")


def taken_in(ws: Workspace) -> dict[str, list[Any]]:
    """Every row that loading leaves, in one order; when it was loaded is left out."""
    with duckdb.connect(ws.root / "work.duckdb", read_only=True) as con:
        columns = {"batch": "* exclude (loaded_at)"}
        return {
            table: con.execute(f"select {columns.get(table, '*')} from shop.{table} order by all").fetchall()
            for table in ("batch", "record", "observation", "reject", "finding")
        }


def test_files_are_taken_in_alike(spark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "SIZE", 2000)
    rules = tmp_path / "rules/shop"
    rules.mkdir(parents=True)
    (rules / "entity.toml").write_text(ENTITY, "utf-8")
    (rules / "sources.toml").write_text(SOURCES, "utf-8")
    delivery(tmp_path / "files")
    parts = {path.name: len(reading.parts(path, 2000)) for path in (tmp_path / "files").glob("*_2024*")}
    assert min(parts[name] for name in ("full_20240101.csv", "news_gb_20240107.csv", "news_20240106.parquet")) >= 3
    found = []
    for engine in ("kernel", "spark"):
        ws = Workspace.create(tmp_path / engine, rules=rules.parent)
        how = ["--workspace", ws.root, "--engine", engine]
        done = invoke("load", tmp_path / "files", *how, "--json")
        assert done.exit_code == 3, done.stderr
        (again,) = said("load", tmp_path / "files/full_20240101.csv", *how)["loaded"]
        assert again["already"] and again["batch_id"] == 1
        errors = done.stderr.partition("error ")[2]
        found.append({"said": json.loads(done.stdout), "errors": errors.splitlines(), **taken_in(ws)})
        assert not (ws.root / FOLDER / "loading").exists()
    compare(*found)
    assert len(found[0]["batch"]) == 6 and len(found[0]["said"]["refused"]) == 8
    reasons = {row[2] for row in found[0]["reject"]}
    assert reasons >= {"no key", "2 cells where the heading has 3", "key 3 stands in lines 5, 253"}


# ── a province: releases, and from one engine to the other ──────────────────────────────────────────


def deliver(ws: Workspace, files: Sequence[tuple[str, str, Path]]) -> None:
    con = ws.connect()
    for entity, source, path in files:
        ingest.load_file(con, ws, ws.load_rules().entities[entity], source, path)
    con.close()


def released(ws: Workspace, engine: Engine, day: date = DAY) -> dict[str, Any]:
    """Link with an engine and publish; gives what linking left, by entity type."""
    con, rules, decisions = ws.connect(), ws.load_rules(), DecisionStore(ws.decisions)
    try:
        reports = link(con, ws, rules, decisions, day, engine=engine)
        told = {one.entity: state(con, ws, one.entity) for one in reports}
        for name, tables in told.items():
            # What the plan before found over golden records stays until the next plan, or goes with linking everything.
            own = own_rules(rules.entities[name].entity)
            tables["finding"] = [row for row in tables["finding"] if row[4] in own]
        far = spark_of(ws, None) if engine == "spark" else None
        planned = plan(con, ws, rules, decisions, spark=far)
        publish(con, ws, rules, decisions, planned, forced="a small registry", spark=far)
    finally:
        con.close()
    return told


def rows_of(ws: Workspace, release: int) -> dict[str, list[Any]]:
    """Every table of a release and of its look-up index, in one order."""
    with Release.of(ws.releases, release) as asked:
        found = {
            f"{entity}/{table}": asked.rows(entity, table, "select * from t order by all", [])
            for entity in asked.manifest.entities
            for table in TABLES
        }
        return found | {name: sorted(set(asked.lookup(f"select * from {name}")), key=repr) for name in LOOKED_UP}


def in_partitions(ws: Workspace, release: int) -> set[str]:
    """What a release has in partitions."""
    return {path.name.split("-")[0] for path in (ws.releases / str(release)).rglob("*-of-*")}


def compare(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    assert ours.keys() == theirs.keys()
    for name, one in ours.items():
        if isinstance(one, dict):
            compare(one, theirs[name])
        else:
            assert theirs[name] == one, name


def begun(folder: Path, size: int, last: str, *only: str) -> tuple[Workspace, Workspace, list[tuple[str, str, Path]]]:
    """Two workspaces with what a made-up province delivered before the day `last`, and what it delivered then."""
    mine = Workspace.create(folder / "mine")
    files = [one for one in generate(folder / "demo", size, 5).files if not only or one[0] in only]
    later = [one for one in files if last in one[2].name]
    deliver(mine, [one for one in files if one not in later])
    shutil.copytree(mine.root, folder / "theirs")
    return mine, Workspace.open(folder / "theirs"), later


def test_a_province_of_five_entity_types_is_published_alike(
    spark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(far_release, "ROWS", 150)
    for module in (relations, release):
        monkeypatch.setattr(module, "FEW", 0)
    mine, theirs, _ = begun(tmp_path, 500, "20260131")
    compare(released(mine, "kernel"), released(theirs, "spark"))
    rows = rows_of(mine, 1)
    assert len({name.partition("/")[0] for name in rows if "/" in name}) == 5
    compare(rows, rows_of(theirs, 1))
    assert not (theirs.root / FOLDER).exists()
    assert in_partitions(theirs, 1) >= {"golden", "provenance", "crosswalk", "relation", "change", "lookup"}
    assert not in_partitions(mine, 1)
    check_answers(mine, theirs)


def check_answers(mine: Workspace, theirs: Workspace) -> None:
    """A release in partitions answers as one of one file per table does, and misses none of its files silently."""
    folder = theirs.releases / "1"
    assert not altered(folder)
    with Release.of(mine.releases) as one, Release.of(theirs.releases) as many:
        assert list(one.changes(limit=50)) == list(many.changes(limit=50))
        assert list(one.changes(3, "person")) == list(many.changes(3, "person"))
        records = [row[:2] for row in one.lookup("select source, source_key from source_key order by 1, 2")][::7]
        entities = list(one.manifest.entities)
        assert places(one, records, entities) == places(many, records, entities)
        for golden_id, entity in one.lookup("select golden_id, entity from golden order by 1")[::5]:
            assert one.show(golden_id) == many.show(golden_id)
            assert one.related(golden_id, 2) == many.related(golden_id, 2)
            record = one.members(golden_id)[0]
            assert one.find(entity, *record) == many.find(entity, *record) != []
        for entity, field, value in one.lookup("select distinct entity, field, value from identifier order by 1, 2, 3")[
            ::9
        ]:
            assert one.find_value(entity, field, value) == many.find_value(entity, field, value) != []
    gone = index_files(folder)[1]
    gone.unlink()
    assert altered(folder) == [gone.name]
    with Release.of(theirs.releases) as many, pytest.raises(NotFoundError, match=gone.name):
        many.lookup("select * from golden")


def test_the_engines_take_over_from_each_other(spark: Any, tmp_path: Path) -> None:
    mine, theirs, later = begun(tmp_path, SIZE, "20260131", "person")
    compare(released(mine, "kernel"), released(theirs, "spark"))
    compare(rows_of(mine, 1), rows_of(theirs, 1))
    waiting = DecisionStore(mine.decisions).queue("person")[:2]
    for ws in (mine, theirs):
        deliver(ws, later)
        for one, kind in zip(waiting, ("same", "different"), strict=False):
            DecisionStore(ws.decisions).add(Decision(kind, "person", (one.left, one.right), "seen", "eve"))
    compare(released(mine, "spark"), released(theirs, "kernel"))
    second = rows_of(mine, 2)
    compare(second, rows_of(theirs, 2))
    assert second["person/golden"] != rows_of(mine, 1)["person/golden"]


class Delivering(World):
    """A small registry that changes at random, and leaves it to others to link it."""

    def link(self) -> None:
        """Nothing is linked."""


def test_whatever_changes_golden_ids_are_the_same_on_both_engines(
    spark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deliveries, decisions and deletions of chance; what changed since a release in partitions stands beside it."""
    monkeypatch.setattr(far_release, "ROWS", 30)
    monkeypatch.setattr(release, "SHARE", 10)
    world = Delivering(tmp_path, 7)
    world.begin(8)
    aside = copy(world.ws, tmp_path / "aside1")
    released(world.ws, "kernel", world.day)
    released(aside, "spark", world.day)
    check_same(world.ws, aside)

    told = [world.step() for _ in range(6)]
    assert {"went", "corrected", "died", "same", "withdrew"} <= set(" ".join(told).split())
    aside = copy(world.ws, tmp_path / "aside2")
    released(world.ws, "spark", world.day)
    released(aside, "kernel", world.day)
    check_same(world.ws, aside)
    assert in_partitions(world.ws, 2) >= {"provenance", "crosswalk", "lookup"}

    with Release.of(world.ws.releases) as asked:
        joined = "select golden_id from t where until is null group by 1 having count(*) > 1 order by 1"
        ((golden_id,), *_) = asked.rows("person", "crosswalk", joined, [])
        one, other = asked.members(golden_id)[:2]
    for ws in (world.ws, aside):
        DecisionStore(ws.decisions).add(Decision("different", "person", (one, other), "seen", "eve"))
        released(ws, "kernel", world.day)
    check_same(world.ws, aside)
    assert in_partitions(world.ws, 3) >= {"provenance", "crosswalk"}
    assert (world.ws.releases / "3/person/provenance.3.parquet").exists()
    check_kept(world.ws, aside, tmp_path, world.day)


def check_kept(mine: Workspace, theirs: Workspace, folder: Path, day: date) -> None:
    """A release in partitions is made again, backed up and brought back as one of one file per table is."""
    made = replay(mine, 2, folder / "again")
    assert made.sound and not in_partitions(Workspace(folder / "again", mine.node), 2)
    backup(mine, folder / "kept.tar")
    kept = restore(folder / "kept.tar", folder / "kept")
    assert in_partitions(kept, 2) == in_partitions(mine, 2)
    for number in (2, 3):
        assert not altered(kept.releases / str(number))
        compare(rows_of(mine, number), rows_of(kept, number))
    for ws in (mine, theirs):
        rollback(ws, 2, day)
    check_same(mine, theirs)
    for table in ("golden", "provenance", "relation"):
        assert rows_of(mine, 4)[f"person/{table}"] == rows_of(mine, 2)[f"person/{table}"]


def check_same(mine: Workspace, theirs: Workspace) -> None:
    """The last release has the same rows in both, and says the same of every id."""
    with Release.of(mine.releases) as one, Release.of(theirs.releases) as many:
        compare(rows_of(mine, one.manifest.release), rows_of(theirs, one.manifest.release))
        for (golden_id,) in one.lookup("select golden_id from golden union select golden_id from redirect"):
            assert one.show(golden_id) == many.show(golden_id)


# ── a driver that is killed ─────────────────────────────────────────────────────────────────────────

DRIVER = """
import sys
from pathlib import Path
from golden_records import far_release, relations, release
from linkage.spark.session import session
from linkage.workspace import Workspace
from tests.test_spark import BRIEF, released

far_release.ROWS = 500
session("local[2]", BRIEF)
released(Workspace.open(Path(sys.argv[1])), "spark")
"""


def killed(ws: Workspace, reached: Callable[[], bool]) -> None:
    """Link and publish on Spark in a process of its own, and kill it as soon as it has come so far."""
    run = [sys.executable, "-c", DRIVER, str(ws.root)]
    with subprocess.Popen(run, cwd=ROOT, stderr=subprocess.PIPE, text=True) as driver:
        while not reached():
            assert driver.poll() is None, driver.stderr and driver.stderr.read()[-3000:]
            time.sleep(0.01)
        driver.kill()
    assert driver.returncode == -signal.SIGKILL


def stamps(folder: Path) -> dict[Path, int]:
    """When the files of the tables in a folder were written."""
    found = {}
    for path in folder.glob("*/*.parquet"):
        with suppress(FileNotFoundError):
            found[path] = path.stat().st_mtime_ns
    return found


def test_a_run_goes_on_where_a_driver_was_killed(spark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(far_release, "ROWS", 500)
    mine, theirs, _ = begun(tmp_path, 200, "20260131", "person")
    linking = theirs.root / FOLDER / "person" / LINKING
    finished = ("standard", "block", "block_size", "pair", "comparable")
    seen: dict[Path, int] = {}

    def weighing() -> bool:
        steps = linking / "steps.json"
        return steps.exists() and "comparable" in json.loads(steps.read_text())["done"]

    def writing() -> bool:
        seen.update((path, at) for path, at in stamps(linking).items() if path.parent.name in finished)
        return any((theirs.releases / ".making-1").glob("person/*-of-*.parquet"))

    killed(theirs, weighing)
    held = {path: at for path, at in stamps(linking).items() if path.parent.name in finished}
    assert {path.parent.name for path in held} == set(finished)
    killed(theirs, writing)  # another run did the rest of linking, and died when a part of the release stood
    assert seen == held
    assert current_release(theirs.releases) is None
    compare(released(mine, "kernel"), released(theirs, "spark"))
    compare(rows_of(mine, 1), rows_of(theirs, 1))
    assert not altered(theirs.releases / "1")
    assert not list(theirs.releases.glob(".*"))


# ── a worker that is killed ─────────────────────────────────────────────────────────────────────────

KILLED = """
import os, signal, sys, threading, time
from pathlib import Path
import duckdb
from linkage.spark.session import session
from linkage.spark.tasks import Blocking
from tests.test_spark import BRIEF, on_spark, standing
from tests.linkage.things import population, vessel

folder = Path(sys.argv[1])
spark = session("local-cluster[2,1,1024]", BRIEF)
executors = []

def kill():
    # The first executor that has begun to work dies in the middle of blocking.
    while not executors:
        for stat in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                said = stat.read_bytes().decode(errors="replace")
            except OSError:
                continue
            if "CoarseGrainedExecutorBackend" in said and str(spark.sparkContext.applicationId) in said:
                if (folder / "spark/steps.json").exists() and "standard" in (folder / "spark/steps.json").read_text():
                    executors.append(int(stat.parent.name))
                    break
        time.sleep(0.05)
    os.kill(executors[0], signal.SIGKILL)

threading.Thread(target=kill, daemon=True).start()
rules = vessel(folder / "rules")
records = population(150, seed=4)
con = standing(rules, records)
found = on_spark(spark, folder / "spark", con, rules, [])
print(repr(found), len(executors))
spark.stop()
"""


def test_a_worker_that_is_killed_changes_nothing(
    fleet: tuple[EntityRules, list[dict[str, Any]]], tmp_path: Path
) -> None:
    rules, _ = fleet
    shutil.copytree(rules.folder.parent, tmp_path / "rules")
    mine = vessel(tmp_path / "rules")
    one = on_one_machine(standing(mine, population(150, seed=4)), mine, [])
    run = [sys.executable, "-c", KILLED, str(tmp_path)]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines()[-1] == f"{one!r} 1"
