"""The demo population: the same for everybody, as wrong as it says it is, and nobody's."""

from __future__ import annotations

import csv
import io
import zipfile
from math import sqrt
from pathlib import Path

import pytest

from demo.errors import KINDS, RATES
from demo.population import Generated, generate
from linkage import sql
from linkage.ingest import load_file
from linkage.workspace import Workspace, use_entity
from rules.errors import InputError
from rules.kinds.gb11643 import is_valid

SIZE, SEED = 20_000, 5
SMALL = 2_000
REGISTRY = "civil_registry"
Truth = list[dict[str, str]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Generated:
    return generate(tmp_path_factory.mktemp("demo"), SIZE, SEED)


@pytest.fixture(scope="module")
def truth(made: Generated) -> Truth:
    return read(made.truth["person"])


def read(path: Path) -> Truth:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[str, object]:
    """Every file by name: its bytes, or the parts of a workbook apart from the note of when it was saved."""
    found: dict[str, object] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        found[path.name] = path.read_bytes()
        if path.suffix == ".xlsx":
            with zipfile.ZipFile(path) as book:
                found[path.name] = {n: book.read(n) for n in book.namelist() if n != "docProps/core.xml"}
    return found


def test_the_same_seed_gives_the_same_files(tmp_path: Path) -> None:
    for folder, seed in (("one", 3), ("two", 3), ("three", 4)):
        generate(tmp_path / folder, SMALL, seed)
    one, two, three = (contents(tmp_path / name) for name in ("one", "two", "three"))
    assert one == two
    assert one != three


def test_every_record_is_told_of_once(made: Generated, truth: Truth) -> None:
    assert len(truth) == SIZE
    assert len({(row["source"], row["source_key"]) for row in truth}) == SIZE


def test_people_have_one_to_five_records(truth: Truth) -> None:
    per_person: dict[str, int] = {}
    for row in truth:
        per_person[row["truth"]] = per_person.get(row["truth"], 0) + 1
    shares = [sum(n == k for n in per_person.values()) / len(per_person) for k in (1, 2)]
    assert shares == pytest.approx([0.55, 0.30], abs=0.03)
    assert SIZE / len(per_person) == pytest.approx(1.6, abs=0.06)


# Kinds that not every record can have, and the share of whom they are.
WHO = {
    "id_15_digits": lambda row: row["true_birth_date"] < "1985",
    "id_spreadsheet": lambda row: row["source"] == "elderly_care" and row["true_citizen_id"][-1] != "X",
}


def rate_cases() -> list[object]:
    found: list[object] = []
    for kind in RATES:
        for place in ("registry", "others"):
            if (kind, place) == ("id_spreadsheet", "registry"):
                continue
            found.append(pytest.param(kind, place, id=f"{kind}-{place}"))
    return found


@pytest.mark.parametrize(("kind", "place"), rate_cases())
def test_errors_are_as_frequent_as_asked(truth: Truth, kind: str, place: str) -> None:
    """Within five standard deviations of the binomial distribution."""
    in_registry = place == "registry"
    rows = [row for row in truth if (row["source"] == REGISTRY) == in_registry and WHO.get(kind, bool)(row)]
    rate = RATES[kind] * (0.1 if in_registry else 1.0)
    # Errors of one field exclude each other: a number that is missing is not damaged by a spreadsheet as well.
    if kind == "id_spreadsheet":
        rate *= 1 - RATES["id_missing"]
    hits = sum(kind in row["error"].split(";") for row in rows)
    assert abs(hits - len(rows) * rate) <= 5 * sqrt(len(rows) * rate * (1 - rate)) + 1


def test_twins_are_one_in_a_hundred(truth: Truth) -> None:
    people = {row["truth"]: "twins" in row["error"].split(";") for row in truth}
    assert sum(people.values()) / len(people) == pytest.approx(0.01, abs=0.003)


def test_counts_are_those_of_the_truth_file(made: Generated, truth: Truth) -> None:
    told = {kind: sum(kind in row["error"].split(";") for row in truth) for kind in KINDS}
    assert told == {kind: made.counts[kind] for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_that_is_switched_off_is_absent(tmp_path: Path, kind: str) -> None:
    made = generate(tmp_path, SMALL, SEED, without=(kind,))
    assert made.counts[kind] == 0
    rows = read(made.truth["person"])
    assert not any(kind in row["error"].split(";") for row in rows)
    assert sum(made.counts[other] for other in KINDS) > 0


def test_without_any_error_a_record_says_the_truth(tmp_path: Path) -> None:
    made = generate(tmp_path, SMALL, SEED, without=KINDS)
    told = {row["source_key"]: row for row in read(made.truth["person"])}
    (path,) = [path for _, source, path in made.files if source == REGISTRY]
    delivered = read(path)
    assert len(delivered) > SMALL / 4
    for row in delivered:
        known = told[row["人员编号"]]
        assert known["error"] == ""
        assert [row["姓名"], row["性别"], row["公民身份号码"], row["联系电话"], row["户籍地区划"], row["户籍地址"]] == [
            known[f"true_{name}"] for name in ("name", "sex", "citizen_id", "phone", "division", "address")
        ]
        assert row["出生日期"] == known["true_birth_date"].replace("-", "")


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no kind of error 'id_lost'"):
        generate(tmp_path, SMALL, SEED, without=("id_lost",))


def test_numbers_are_valid_and_nobodys(truth: Truth) -> None:
    numbers = {row["true_citizen_id"] for row in truth}
    assert all(is_valid(number) and number.startswith("88") for number in numbers)
    assert all(row["true_citizen_id"][6:14] == row["true_birth_date"].replace("-", "") for row in truth)
    assert all((int(row["true_citizen_id"][16]) % 2 == 1) == (row["true_sex"] == "1") for row in truth)
    assert len(numbers) == len({row["truth"] for row in truth})
    assert all(row["true_phone"].startswith("154") for row in truth)
    assert all(row["true_division"].startswith("88") for row in truth)


def test_text_files_are_in_the_encoding_that_they_claim(made: Generated) -> None:
    delivered = {source: path for _, source, path in reversed(made.files)}
    assert delivered["marriage"].read_bytes().startswith(b"\xef\xbb\xbf")
    text = delivered["social_assistance"].read_bytes()
    with pytest.raises(UnicodeDecodeError):
        text.decode("utf-8")
    assert next(csv.reader(io.StringIO(text.decode("gb18030")), delimiter=";"))[1] == "申请人姓名"


def test_every_file_is_taken_in_without_loss(tmp_path: Path, made: Generated) -> None:
    ws = Workspace.create(tmp_path / "workspace")
    rules = ws.load_rules()
    with ws.lock("test"):
        con = ws.connect()
        try:
            reports = []
            for entity, source, path in made.files:
                use_entity(con, entity)
                reports.append(load_file(con, ws, rules.entities[entity], source, path))
            use_entity(con, "person")
            current = sql.number(con, "select count(*) from current_record")
            known = sql.number(
                con,
                "select count(*) from current_record where regexp_full_match(citizen_id, '[0-9]{17}[0-9X]') "
                "and not starts_with(citizen_id, '88')",
            )
        finally:
            con.close()
    for one in reports:
        assert one.rejected == 0, one
        assert one.read == one.new + one.unchanged + one.deleted, one
    assert current == SIZE - made.counts["withdrawn"]
    # Errors are made behind the area code, so that no mistyped number is anybody's.
    assert known == 0
