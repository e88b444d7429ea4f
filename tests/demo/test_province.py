"""The demo province: five entity types in three deliveries, with relations, states and codes that are nobody's."""

from __future__ import annotations

import csv
import tomllib
from collections import Counter
from math import sqrt
from pathlib import Path

import duckdb
import polars as pl
import pytest

from demo import households, institutions, organizations, registry_committees
from demo.credit_codes import is_valid, own_check
from demo.life import DELIVERIES
from demo.population import KINDS_OF, Generated, generate
from linkage import sql
from linkage.ingest import LoadReport, load_file
from linkage.workspace import Workspace, use_entity
from rules.kinds import gb11643
from rules.loader import SHIPPED
from rules.model import Entity, EntityRules, FieldRule, Source, Sources, Title

SIZE, SEED = 32_000, 5
Rows = list[dict[str, str]]
Truth = dict[str, Rows]
States = dict[tuple[str, str], str]
MODULES = {
    "household": households,
    "committee": registry_committees,
    "organization": organizations,
    "institution": institutions,
}
# Kinds that need something which not every record has: a bracket, a second member, a former name …
SOMETIMES = {
    "household_member_missing",
    "household_member_unknown",
    "household_member_twice",
    "household_head_wrong",
    "household_number_typo",
    "household_number_missing",
    "organization_name_old",
    "organization_name_brackets",
    "organization_code_missing",
    "organization_code_failing",
    "organization_code_old",
    "organization_status_old",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Generated:
    return generate(tmp_path_factory.mktemp("province"), SIZE, SEED)


@pytest.fixture(scope="module")
def truth(made: Generated) -> Truth:
    return {entity: read(path) for entity, path in made.truth.items()}


@pytest.fixture(scope="module")
def relations(made: Generated) -> Rows:
    return read(made.relations)


@pytest.fixture(scope="module")
def states(made: Generated) -> States:
    return {(row["entity"], row["truth"]): row["state"] for row in read(made.states)}


def read(path: Path) -> Rows:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def declared(entity: str) -> EntityRules:
    """Rules that know the sources of an entity type, and of its fields only the names."""
    sources = Sources.model_validate(tomllib.loads((SHIPPED / entity / "sources.toml").read_text("utf-8")))
    names = sorted({name for source in sources.sources.values() for name in source.columns})
    fields = {name: FieldRule(kind="text", title=Title(zh=name, en=name)) for name in names}
    return EntityRules.model_construct(
        folder=SHIPPED / entity, entity=Entity.model_construct(entity=entity, fields=fields), sources=sources
    )


@pytest.fixture(scope="module")
def loaded(made: Generated, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[LoadReport], Path]:
    """Every file taken in, in the order of delivery; the work database for looking into."""
    ws = Workspace.create(tmp_path_factory.mktemp("workspace"))
    rules, reports = {entity: declared(entity) for entity in KINDS_OF}, []
    with ws.lock("test"):
        con = ws.connect()
        try:
            for entity, source, path in made.files:
                use_entity(con, entity)
                reports.append(load_file(con, ws, rules[entity], source, path))
            for entity in KINDS_OF:
                use_entity(con, entity)
                con.execute(f"create table main.current_{entity} as select * from current_record")
        finally:
            con.close()
    return reports, ws.root / "work.duckdb"


def test_every_file_is_taken_in_without_loss(
    made: Generated, truth: Truth, loaded: tuple[list[LoadReport], Path]
) -> None:
    reports, work = loaded
    for one in reports:
        assert one.rejected == 0, one
        assert one.read == one.new + one.unchanged + one.deleted, one
    con = duckdb.connect(str(work))
    try:
        current = sql.number(con, "select count(*) from main.current_person")
        # Errors are made behind the area code, so that no mistyped number is anybody's.
        known = sql.number(
            con,
            "select count(*) from main.current_person where regexp_full_match(citizen_id, '[0-9]{17}[0-9X]') "
            "and not starts_with(citizen_id, '88')",
        )
    finally:
        con.close()
    assert current == len(truth["person"]) - made.counts["withdrawn"]
    assert known == 0


def test_the_truth_covers_every_record(made: Generated, truth: Truth, loaded: tuple[list[LoadReport], Path]) -> None:
    con = duckdb.connect(str(loaded[1]))
    try:
        delivered = {
            entity: set(con.execute(f"select distinct source, source_key from {entity}.record").fetchall())
            for entity in KINDS_OF
        }
        inferred = con.execute(
            "select distinct 'disability_household', household_no from main.current_person "
            "where source = 'disability' and household_no is not null"
        ).fetchall()
    finally:
        con.close()
    for entity, rows in truth.items():
        known = {(row["source"], row["source_key"]) for row in rows}
        assert len(known) == len(rows)
        unknown = delivered[entity] - known
        # A yearly list holds some rows that are no committees.
        assert len(unknown) == (made.counts["no_committee"] if entity == "committee" else 0)
        assert {one for one in known if one[0] != "disability_household"} <= delivered[entity]
    assert set(inferred) <= {(row["source"], row["source_key"]) for row in truth["household"]}


@pytest.mark.parametrize("entity", MODULES)
def test_counts_are_those_of_the_truth(made: Generated, truth: Truth, entity: str) -> None:
    told = Counter(kind for row in truth[entity] for kind in row["error"].split(";") if kind)
    for kind in MODULES[entity].KINDS:
        # A record of the disabled without a number of a household is a record of no household.
        if kind != "household_number_missing":
            assert told[kind] == made.counts[kind], kind
    assert set(told) <= set(MODULES[entity].KINDS)


@pytest.mark.parametrize("entity", MODULES)
def test_errors_are_as_frequent_as_asked(truth: Truth, entity: str) -> None:
    """Within five standard deviations; kinds that need something may be rarer.

    Numbers of households are mistyped per record of the disabled, and several records make one household.
    """
    for kind, rates in MODULES[entity].RATES.items():
        for source, rate in rates.items():
            if source == "disability_household":
                continue
            rows = [row for row in truth[entity] if row["source"] == source]
            hits = sum(kind in row["error"].split(";") for row in rows)
            spread = 5 * sqrt(len(rows) * rate * (1 - rate)) + 1
            assert hits <= len(rows) * rate + spread, (kind, source)
            if kind not in SOMETIMES and not kind.endswith(("_failing", "_phone_old")):
                assert hits >= len(rows) * rate - spread, (kind, source)


def test_kinds_are_named_by_their_entity() -> None:
    for entity in MODULES:
        assert all(kind.startswith(f"{entity}_") for kind in KINDS_OF[entity])


def test_the_province_has_its_proportions(truth: Truth) -> None:
    people = len({row["truth"] for row in truth["person"]})
    registered = {row["truth"] for row in truth["household"] if row["truth"].startswith("h")}
    assert people / len(registered) == pytest.approx(200 / 75, rel=0.1)
    per_thousand = {entity: 1000 * len({row["truth"] for row in rows}) / people for entity, rows in truth.items()}
    assert per_thousand["committee"] == pytest.approx(7.5, rel=0.15)
    assert per_thousand["organization"] == pytest.approx(15.5, rel=0.15)
    assert per_thousand["institution"] == pytest.approx(4, rel=0.15)


def test_credit_codes_are_valid_and_nobodys(truth: Truth) -> None:
    codes = {
        row["true_credit_code"]: row["truth"]
        for entity in ("organization", "committee")
        for row in truth[entity]
        if row["true_credit_code"]
    }
    assert len(codes) == len(set(codes.values())) > 300
    assert all(is_valid(code) and code[2:4] == "88" for code in codes)
    assert {code[:2] for code in codes} == {"51", "52", "53", "54", "55", "N2"}


def test_the_check_character_is_that_of_a_known_code() -> None:
    """The code of a village committee in a published judgment, and what one changed character does to it."""
    assert is_valid("54440604778330561N")
    assert not is_valid("54440604778330516N")
    assert own_check("77833056") == "1"


def test_wrong_codes_fail_and_right_ones_do_not(
    made: Generated, truth: Truth, loaded: tuple[list[LoadReport], Path]
) -> None:
    con = duckdb.connect(str(loaded[1]))
    try:
        written = {
            (source, key): code
            for table in ("organization", "committee")
            for source, key, code in con.execute(
                f"select source, source_key, credit_code from main.current_{table} where length(credit_code) = 18"
            ).fetchall()
        }
    finally:
        con.close()
    assert len(written) > 300
    for row in (*truth["organization"], *truth["committee"]):
        code = written.get((row["source"], row["source_key"]))
        if code:
            assert is_valid(code) == ("_code_failing" not in row["error"])
            assert (code == row["true_credit_code"]) == is_valid(code)


def test_branches_and_cooperatives_are_somebody_else(truth: Truth, relations: Rows) -> None:
    branches = {row["from_truth"]: row["to_truth"] for row in relations if row["type"] == "branch_of"}
    named = {row["truth"]: row for row in truth["organization"]}
    assert len(branches) >= 3
    for branch, parent in branches.items():
        assert branch != parent
        assert named[branch]["true_name"].startswith(named[parent]["true_name"])
        assert not named[branch]["true_credit_code"]
    cooperatives = [row for row in named.values() if row["true_credit_code"].startswith("N2")]
    assert len(cooperatives) >= 3
    assert all(
        (row["source"] == "credit_platform" and "合作社" in row["true_name"]) or "联合社" in row["true_name"]
        for row in cooperatives
    )


def test_the_ends_of_relations_exist(truth: Truth, relations: Rows) -> None:
    known = {(entity, row["truth"]) for entity, rows in truth.items() for row in rows}
    assert all((row["from_entity"], row["from_truth"]) in known for row in relations)
    assert all((row["to_entity"], row["to_truth"]) in known for row in relations if row["to_entity"])
    assert all(row["to_truth"] for row in relations)
    assert {(row["type"], row["from_entity"], row["to_entity"]) for row in relations} == {
        ("member", "household", "person"),
        ("head", "household", "person"),
        ("spouse", "person", "person"),
        ("child_of", "person", "person"),
        ("guardian", "person", "person"),
        ("lives_in", "household", "committee"),
        ("represented_by", "organization", "person"),
        ("represented_by", "committee", "person"),
        ("branch_of", "organization", "organization"),
        ("registered_with", "organization", ""),
        ("supervised_by", "organization", ""),
        ("operated_by", "institution", "organization"),
        ("succeeded_by", "committee", "committee"),
        ("converted_from", "committee", "committee"),
    }


def test_kin_are_of_the_age_and_sex_to_be_so(truth: Truth, relations: Rows) -> None:
    person = {row["truth"]: row for row in truth["person"]}
    for row in relations:
        one, other = person.get(row["from_truth"], {}), person.get(row["to_truth"], {})
        if row["type"] == "child_of":
            assert int(one["true_birth_date"][:4]) - int(other["true_birth_date"][:4]) in range(16, 60)
        elif row["type"] == "spouse":
            assert one["true_sex"] != other["true_sex"]
        elif row["type"] == "guardian":
            assert other["true_birth_date"] < "2005"
            assert one != other


def test_a_household_has_one_head_who_lives_there(relations: Rows) -> None:
    members = {(row["from_truth"], row["to_truth"]) for row in relations if row["type"] == "member"}
    heads = [row for row in relations if row["type"] == "head" and not row["until"]]
    homes = Counter(row["from_truth"] for row in heads)
    assert max(homes.values()) == 1
    here = sum((row["from_truth"], row["to_truth"]) in members for row in heads)
    assert here / len(heads) > 0.98


def deliveries(made: Generated, source: str) -> list[pl.DataFrame]:
    """The files of a source by delivery, every cell as text."""
    found = []
    for _, name, path in made.files:
        if name == source:
            match path.suffix:
                case ".xlsx":
                    found.append(pl.read_excel(path, infer_schema_length=0))
                case ".parquet":
                    found.append(pl.read_parquet(path))
                case ending:
                    text = path.read_bytes().decode("gb18030" if ending == ".txt" else "utf-8-sig")
                    found.append(
                        pl.read_csv(text.encode(), separator="\t" if ending == ".tsv" else ",", infer_schema=False)
                    )
    return found


def registered_sources() -> list[tuple[str, str, Source]]:
    return [
        (entity, name, source)
        for entity in KINDS_OF
        for name, source in declared(entity).sources.sources.items()
        if source.files
    ]


def test_every_source_delivers_in_three_batches(made: Generated) -> None:
    delivered = Counter((entity, source) for entity, source, _ in made.files)
    for entity, name, source in registered_sources():
        if source.period is None:
            assert delivered[entity, name] >= (3 if source.delivery == "snapshot" else 2), name
    order = [day for _, _, path in made.files for day in DELIVERIES if day in path.name]
    assert order == sorted(order)


@pytest.mark.parametrize(
    ("source", "key"),
    [
        ("civil_household", "户号"),
        ("credit_platform", "主体编号"),
        ("institution_statistics", "台账号"),
        ("disability", "残疾人编号"),
    ],
)
def test_full_lists_hold_nearly_everything_each_time(made: Generated, source: str, key: str) -> None:
    first, second, third = deliveries(made, source)
    for one, next_one in ((first, second), (second, third)):
        both = set(one[key]) & set(next_one[key])
        assert len(both) > 0.9 * len(one)
        assert not one.equals(next_one)


@pytest.mark.parametrize(
    ("source", "key"),
    [
        ("civil_registry", "人员编号"),
        ("assistance_household", "救助户号"),
        ("committee_registry", "登记编号"),
        ("social_org_registry", "登记档案号"),
        ("elderly_institution", "备案编号"),
    ],
)
def test_changes_are_few_and_later(made: Generated, source: str, key: str) -> None:
    first, *later = deliveries(made, source)
    for changes in later:
        assert 0 < len(changes) < 0.3 * len(first)
        assert not changes.join(first, on=first.columns, how="semi", nulls_equal=True).height
    day = {"civil_registry": "变更日期", "assistance_household": "核定日期", "elderly_institution": "更新日期"}
    for changes in later:
        written = changes if "操作" not in changes.columns else changes.filter(pl.col("操作").is_null())
        assert (written[day.get(source, "变更日期")] > "2025-12-01").all()


def test_people_die_and_some_come_back(made: Generated, truth: Truth, states: States) -> None:
    first, *later = deliveries(made, "civil_registry")
    dead = set(first.filter(pl.col("人员状态") == "死亡")["人员编号"])
    restored = set(pl.concat(later).filter(pl.col("人员状态") == "恢复")["人员编号"])
    also = set(later[0].filter(pl.col("人员状态") == "死亡")["人员编号"])
    assert dead and restored and restored <= dead | also
    keys = {row["source_key"]: row for row in truth["person"]}
    assert {keys[key]["error"].count("death_mistaken") for key in restored} == {1}
    assert {states["person", keys[key]["truth"]] for key in restored} == {"alive"}
    unreported = [row for row in truth["person"] if "death_unreported" in row["error"]]
    assert unreported
    assert {states["person", row["truth"]] for row in unreported} == {"dead"}
    buried = {row["truth"] for row in truth["person"] if row["source"] == "funeral"}
    assert {row["truth"] for row in unreported} <= buried
    old = [row for row in truth["person"] if row["true_birth_date"] < "1961"]
    gone = {row["truth"] for row in old if states["person", row["truth"]] == "dead"}
    assert 0.02 < len(gone) / len({row["truth"] for row in old}) < 0.09


def test_children_are_born_and_counted_in(made: Generated, truth: Truth) -> None:
    born = {row["source_key"]: row for row in truth["person"] if row["true_birth_date"] >= "2025-12"}
    assert len(born) >= 5
    first, *later = deliveries(made, "civil_registry")
    assert not set(born) & set(first["人员编号"])
    assert set(born) <= set(pl.concat(later)["人员编号"])


def test_households_divide_join_and_close(made: Generated, states: States, truth: Truth) -> None:
    first, _, third = deliveries(made, "civil_household")
    assert {"正常", "立户", "分户", "并户", "销户"} == set(third["户状态"])
    assert set(first["户状态"]) == {"正常"}
    known = {row["source_key"]: row["truth"] for row in truth["household"] if row["source"] == "civil_household"}
    ended = third.filter(pl.col("户状态").is_in(["并户", "销户"]))["户号"].to_list()
    assert {states["household", known[number]] for number in ended} == {"closed"}
    assert ended and all(number in set(first["户号"]) for number in ended)
    assert set(third["户类型"]) == {"家庭户", "集体户"}
    crowd = third.filter(pl.col("户类型") == "集体户")["成员人员编号"].str.split(";").list.len()
    assert crowd.min() >= 10


def test_committees_end_and_name_their_heirs(made: Generated, truth: Truth, relations: Rows, states: States) -> None:
    latest = pl.concat(deliveries(made, "committee_registry")).unique("登记编号", keep="last", maintain_order=True)
    known = {row["source_key"]: row["truth"] for row in truth["committee"] if row["source"] == "committee_registry"}
    word = {"正常": "active", "恢复": "active", "撤销": "abolished", "村改居": "converted", "合并": "merged"}
    assert set(latest["组织状态"]) == set(word)
    succeeded = {row["from_truth"]: row["to_truth"] for row in relations if row["type"] == "succeeded_by"}
    for key, status, heir in latest.select("登记编号", "组织状态", "承继组织登记编号").iter_rows():
        assert states["committee", known[key]] == word[status]
        assert succeeded.get(known[key]) == (known[heir] if heir else None)
        assert bool(heir) == (status in ("村改居", "合并"))
    assert max(Counter(succeeded.values()).values()) > 1
    listed = {row["truth"] for row in truth["committee"] if row["source_key"].startswith("2021-")}
    assert listed <= set(known.values())
    chairs = latest.filter(pl.col("主任证件号").is_not_null())["主任证件号"]
    assert sum(gb11643.is_valid(number) for number in chairs) > 0.9 * len(chairs)


def test_states_are_told_of_every_entity(truth: Truth, states: States) -> None:
    assert {(entity, row["truth"]) for entity, rows in truth.items() for row in rows} == set(states)
    words = {entity: {state for (of, _), state in states.items() if of == entity} for entity in truth}
    assert words["person"] == {"alive", "dead", "cancelled"}
    assert words["household"] == {"active", "closed"}
    assert words["committee"] == {"active", "abolished", "converted", "merged"}
    assert {"active", "deregistered"} <= words["organization"] <= {"active", "deregistered", "revoked", "withdrawn"}
    assert words["institution"] == {"active", "suspended", "closed"}


def test_homes_share_operators_and_names(made: Generated, truth: Truth) -> None:
    homes = pl.concat(deliveries(made, "elderly_institution")[:1])
    chains = homes.drop_nulls("举办单位代码").group_by("举办单位代码").agg(pl.col("机构地址").n_unique().alias("doors"))
    assert (chains["doors"] > 1).any()
    statistics = deliveries(made, "institution_statistics")[0]
    assert statistics["法人代码"].null_count() > 0.2 * len(statistics)
