"""Writes deliveries of a made-up United States out of the sample data sets of pseudopeople, and their truth.

A form is what one household fills in: a census form lists all who live there, an income tax form the filer, the
spouse and the dependants. The number of a form and of its lines say nothing of who is who. The data sets are
clean: `Noise` makes the errors. `kin_names` are the names of the others on the form as that form spells them; forms of
colleges, prisons and homes give none, and the tax form of somebody who lives there is no record of the college: in
the truth it stands for itself.

People fall into two halves by the household in which they are first met, and all who ever share a household fall
into the same half: rules and weights are made on one, measured on the other.
"""

from __future__ import annotations

import csv
import random
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import duckdb

from benchmarks.pseudopeople_noise import DATE, FIRST_NAME, INITIAL, NAME, NUMBER, OPTION, SSN, Noise
from rules.errors import InputError

DAYS = {"census_2020": "20200401", "census_2030": "20300401", "tax_2020": "20201231"}
CHILDREN = ("Biological child", "Adopted child", "Stepchild", "Foster child", "Grandchild", "Sibling")
LISTS = {
    "sex": ("Female", "Male"),
    "relation": ("Reference person", "Opposite-sex spouse", "Other relative", *CHILDREN),
}
ADDRESS = ("house_number", "street", "unit")
PERSON = ("first_name", "middle_initial", "last_name", "sex", "birth_date", "ssn")
RESIDENT = ("line", *PERSON, *ADDRESS, "relation", "kin_names")
DWELLING = ("form", "type", "head", "members", *ADDRESS)
Row = dict[str, str]


@dataclass(frozen=True)
class Form:
    """One form: its household, the type of dwelling where the form says it, its lines, the head's first.

    family      those on it belong together (all but the census forms of collective dwellings)
    collective  its household is a collective dwelling
    """

    household: str
    type: str
    lines: list[Row]
    family: bool
    collective: bool


@dataclass(frozen=True)
class Made:
    """What was written: (entity, source, path) of every delivery, a truth file per entity type, and siblings.

    siblings  pairs of people who share a form, the last name and the sex, and are children of the house
    """

    files: tuple[tuple[str, str, Path], ...]
    truth: Mapping[str, Path]
    siblings: Path
    people: int


def read_forms(folder: Path, sources: Iterable[str]) -> dict[str, list[Form]]:
    """The forms of each source, in the order of their households.

    Raises:
        InputError: a data set is missing.
    """
    return {source: list(_census(folder, source) if "census" in source else _tax(folder)) for source in sources}


def halves(forms: Mapping[str, Sequence[Form]], seed: int) -> dict[str, int]:
    """simulant -> 0 or 1; people who ever share a household (of any type but the collective ones) go together."""
    root: dict[str, str] = {}

    def find(name: str) -> str:
        while root.setdefault(name, name) != name:
            root[name] = root[root[name]]
            name = root[name]
        return name

    for form in (form for one in forms.values() for form in one):
        names = [line["simulant"] for line in form.lines]
        if not form.collective:
            names.append(f"household {form.household}")
        for name in names:
            root[find(name)] = find(names[-1]) if form.family else find(name)
    first: dict[str, str] = {}
    for name in sorted(root):
        first.setdefault(find(name), name)
    return {name: zlib.crc32(f"{seed}/{first[find(name)]}".encode()) & 1 for name in root}


def write(folder: Path, forms: Mapping[str, Sequence[Form]], half: set[str], noise: Noise) -> Made:
    """Write the deliveries of the people in `half`, the truth of residents and dwellings, and the pairs of siblings."""
    folder.mkdir(parents=True)
    files, truth = [], {"resident": list[Row](), "dwelling": list[Row]()}
    siblings: set[tuple[str, str]] = set()
    for source, all_forms in forms.items():
        chance = random.Random(f"{noise.seed}/{source}")
        chosen = [one for one in (_part(form, half) for form in all_forms) if one.lines]
        chance.shuffle(chosen)
        residents, dwellings = [], []
        for i, form in enumerate(chosen):
            number = f"{i + 1:06}"
            lines = _lines(source, number, form, noise)
            residents += lines
            dwellings.append(_dwelling(number, form, lines))
            own = f"{form.household}/{number}" if form.collective and form.family else form.household
            truth["dwelling"].append(_true(f"{source}_form", number, own))
            truth["resident"] += [
                _true(source, line["line"], told["simulant"]) for line, told in zip(lines, form.lines, strict=True)
            ]
            siblings |= set(_siblings(form))
        chance.shuffle(residents)
        for entity, rows, columns in (("resident", residents, RESIDENT), ("dwelling", dwellings, DWELLING)):
            path = folder / f"{entity}_{source}_{DAYS[source]}.csv"
            _write(path, columns, rows)
            files.append((entity, source if entity == "resident" else f"{source}_form", path))
    for entity, rows in truth.items():
        _write(folder / f"truth_{entity}.csv", ("source", "source_key", "truth"), rows)
    _write(folder / "siblings.csv", ("a", "b"), [{"a": a, "b": b} for a, b in sorted(siblings)])
    people = len({row["truth"] for row in truth["resident"]})
    files.sort(key=lambda one: one[0], reverse=True)
    paths = {entity: folder / f"truth_{entity}.csv" for entity in truth}
    return Made(tuple(files), paths, folder / "siblings.csv", people)


def _census(folder: Path, source: str) -> Iterator[Form]:
    rows = _read(
        folder / "decennial_census/decennial_census.parquet",
        f"""select household_id as household, simulant_id as simulant, housing_type as type, first_name, middle_initial,
          last_name, sex, date_of_birth::date as birth_date, copy_date_of_birth::date as birth_date_other,
          street_number as house_number, street_name as street, unit_number as unit,
          relationship_to_reference_person as relation
        from data where year = {source[-4:]}
        order by household, relation <> 'Reference person', simulant""",
    )
    grouped: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row["household"]].append(row)
    for household, lines in grouped.items():
        home = lines[0]["type"] == "Household"
        yield Form(household, lines[0]["type"], lines, family=home, collective=not home)


def _tax(folder: Path) -> Iterator[Form]:
    """One form per filer: a spouse without a form of one's own and dependants stand on it."""
    address = """coalesce(mailing_address_street_number, mailing_address_po_box::varchar) as house_number,
      coalesce(mailing_address_street_name, 'po box') as street, mailing_address_unit_number as unit"""
    spouse = "spouse_simulant_id as {0}1_simulant, spouse_first_name as {0}1_first_name, spouse_middle_initial as "
    spouse += "{0}1_middle_initial, spouse_last_name as {0}1_last_name, spouse_ssn as {0}1_ssn, "
    spouse += "spouse_copy_ssn as {0}1_ssn_other"
    dependants = "".join(
        f", dependent_{i}_{old} as dependent{i}_{new}"
        for i in range(1, 5)
        for old, new in (
            ("simulant_id", "simulant"),
            ("first_name", "first_name"),
            ("last_name", "last_name"),
            ("ssn", "ssn"),
            ("copy_ssn", "ssn_other"),
        )
    )
    rows = _read(
        folder / "taxes_1040/taxes_1040.parquet",
        f"""select household_id as household, simulant_id as simulant, housing_type as type, first_name, middle_initial,
          last_name, ssn, copy_ssn as ssn_other, {address}, {spouse.format("spouse")}{dependants}
        from data where tax_year = 2020 order by household, simulant""",
    )
    roles = [("filer", ""), ("spouse", "spouse1_"), *(("dependent", f"dependent{i}_") for i in range(1, 5))]
    told = ("simulant", "first_name", "middle_initial", "last_name", "ssn", "ssn_other")
    for row in rows:
        lines = [
            {name: row.get(f"{prefix}{name}", "") for name in told}
            | {name: row[name] for name in ADDRESS}
            | {"relation": role}
            for role, prefix in roles
            if row.get(f"{prefix}simulant")
        ]
        yield Form(row["household"], "", lines, family=True, collective=row["type"] != "Household")


def _read(path: Path, sql: str) -> list[Row]:
    if not path.is_file():
        raise InputError(f"{path}: no such file; it belongs to the sample data sets of pseudopeople")
    con = duckdb.connect()
    con.execute("create view data as select * from read_parquet('" + str(path).replace("'", "''") + "')")
    found = con.execute(sql)
    names = [column[0] for column in found.description or ()]
    return [{n: "" if v is None else str(v) for n, v in zip(names, row, strict=True)} for row in found.fetchall()]


def _part(form: Form, half: set[str]) -> Form:
    """The form with the lines of one half; a household has all of them in one."""
    return replace(form, lines=[line for line in form.lines if line["simulant"] in half])


def _lines(source: str, number: str, form: Form, noise: Noise) -> list[Row]:
    """The lines as they are delivered, errors and the names of the others included."""
    found = []
    home = {name: form.lines[0][name] for name in ADDRESS}
    classes = {"house_number": NUMBER, "street": NAME, "unit": NUMBER}
    home = {name: noise.cell(f"{source}/{number}/{name}", value, classes[name]) for name, value in home.items()}
    for i, told in enumerate(form.lines):
        place = f"{source}/{number}-{i + 1}"
        found.append(
            {"line": f"{number}-{i + 1}", **home}
            | {
                name: noise.cell(f"{place}/{name}", told.get(name, ""), hit, others)
                for name, hit, others in (
                    ("first_name", FIRST_NAME, ()),
                    ("middle_initial", INITIAL, ()),
                    ("last_name", NAME, ()),
                    ("birth_date", DATE, (told.get("birth_date_other", ""),)),
                    ("ssn", SSN, (told.get("ssn_other", ""),)),
                    ("sex", OPTION, LISTS["sex"]),
                    ("relation", OPTION, LISTS["relation"]),
                )
            }
        )
    names = [f"{line['first_name']} {line['last_name']}".strip() for line in found]
    for i, line in enumerate(found):
        line["kin_names"] = ";".join(names[:i] + names[i + 1 :]) if form.family else ""
    return found


def _dwelling(number: str, form: Form, lines: Sequence[Row]) -> Row:
    return {
        "form": number,
        "type": form.type,
        "head": lines[0]["line"] if form.family else "",
        "members": ";".join(line["line"] for line in lines),
        **{name: lines[0][name] for name in ADDRESS},
    }


def _siblings(form: Form) -> Iterator[tuple[str, str]]:
    children = [line for line in form.lines if line["relation"] in CHILDREN and form.family]
    for a, b in combinations(children, 2):
        if (a["last_name"], a["sex"]) == (b["last_name"], b["sex"]):
            yield min(a["simulant"], b["simulant"]), max(a["simulant"], b["simulant"])


def _true(source: str, key: str, truth: str) -> Row:
    return {"source": source, "source_key": key, "truth": truth}


def _write(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
