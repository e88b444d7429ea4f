"""The demo population: the same for everybody, as wrong as it says it is, and nobody's."""

from __future__ import annotations

import csv
import io
import zipfile
from math import sqrt
from pathlib import Path

import pytest

from demo.errors import KINDS, RATES
from demo.population import KINDS as EVERY_KIND
from demo.population import Generated, generate
from rules.errors import InputError
from rules.kinds.gb11643 import is_valid

SIZE, SEED = 20_000, 5
SMALL = 1_000
REGISTRY = "civil_registry"
CIVIL = {
    "name": "姓名",
    "sex": "性别",
    "citizen_id": "公民身份号码",
    "phone": "联系电话",
    "division": "户籍地区划",
    "address": "户籍地址",
    "household_no": "户号",
    "relation": "与户主关系",
    "spouse_name": "配偶姓名",
    "father_name": "父亲姓名",
    "mother_name": "母亲姓名",
    "status": "人员状态",
}
SHARING = (REGISTRY, "social_assistance", "marriage", "elderly_care", "disability")
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
    assert len(truth) == len({(row["source"], row["source_key"]) for row in truth})
    assert sum(row["source"] in SHARING for row in truth) == SIZE


def test_people_have_one_to_five_records(truth: Truth) -> None:
    per_person: dict[str, int] = {}
    for row in (row for row in truth if row["source"] in SHARING):
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


@pytest.mark.parametrize("part", range(8))
def test_a_kind_that_is_switched_off_is_absent(tmp_path: Path, part: int) -> None:
    """An eighth of the kinds at a time, of every entity type, while the others go on."""
    off = EVERY_KIND[part::8]
    made = generate(tmp_path, SMALL, SEED, without=off)
    assert not any(made.counts[kind] for kind in off)
    for path in made.truth.values():
        assert not any(set(row["error"].split(";")) & set(off) for row in read(path))
    assert sum(made.counts[other] > 0 for other in EVERY_KIND) > len(EVERY_KIND) / 3


def test_without_any_error_a_record_says_the_truth(tmp_path: Path) -> None:
    made = generate(tmp_path, SMALL, SEED, without=KINDS)
    told = {row["source_key"]: row for row in read(made.truth["person"])}
    last = {row["人员编号"]: row for _, source, path in made.files if source == REGISTRY for row in read(path)}
    assert len(last) > SMALL / 4
    for row in last.values():
        known = told[row["人员编号"]]
        assert known["error"] == ""
        assert {field: row[heading] for field, heading in CIVIL.items()} == {f: known[f"true_{f}"] for f in CIVIL}
        assert row["出生日期"] == known["true_birth_date"].replace("-", "")


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no kind of error 'id_lost'"):
        generate(tmp_path, SMALL, SEED, without=("id_lost",))


def test_numbers_are_valid_and_nobodys(truth: Truth) -> None:
    numbers = {row["true_citizen_id"] for row in truth}
    assert all(is_valid(number) and number.startswith("88") for number in numbers)
    assert all(row["true_citizen_id"][6:14] == row["true_birth_date"].replace("-", "") for row in truth)
    assert all((int(row["true_citizen_id"][16]) % 2 == 1) == (row["true_sex"] == "1") for row in truth)
    assert len(numbers) == len({row["truth"] for row in truth}) > SIZE / 2
    assert all(row["true_phone"].startswith("154") for row in truth)
    assert all(row["true_division"].startswith("88") for row in truth)


def test_text_files_are_in_the_encoding_that_they_claim(made: Generated) -> None:
    delivered = {source: path for _, source, path in reversed(made.files)}
    assert delivered["marriage"].read_bytes().startswith(b"\xef\xbb\xbf")
    text = delivered["social_assistance"].read_bytes()
    with pytest.raises(UnicodeDecodeError):
        text.decode("utf-8")
    assert next(csv.reader(io.StringIO(text.decode("gb18030")), delimiter=";"))[1] == "申请人姓名"
