"""The sides of `datasets.py`: each runs in a process of its own, reads the files of a set and writes its groups.

A side gets the folder and the name of the set, writes `<side>.parquet` (id, grp), if it makes golden records also
`<side>_golden.parquet` (grp and the columns of the set), and says what is worth telling.

Splink's settings are those of its own examples (docs/demos/examples/duckdb of its repository at version 5:
`deduplicate_50k_synthetic`, `febrl3`, `febrl4`, and `accuracy_analysis_from_labels_column` for fake_1000): comparisons,
rules of blocking and training, sizes of samples. Where an example draws pairs without a seed it gets SPLINK_SEED, and
where it makes no clusters they are made from the probability of 0.95 on, as in its tutorial. rldata10000 has none:
it gets what that of fake_1000 says of the columns that both have.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import contextmanager
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from benchmarks.steps import ROOT, Document
from rules.kinds.base import literal

if TYPE_CHECKING:
    from collections.abc import Iterator

RULES = ROOT / "benchmarks/rules"
ENTITIES = {
    "historical_50k": "figure",
    "febrl3": "patient",
    "febrl4": "patient",
    "fake_1000": "customer",
    "rldata10000": "name",
}
AS_OF = date(2026, 1, 1)
SPLINK_SEED = 1


def train(work: Path, name: str, target: Path) -> None:
    """Train the rules of a set on the files in `work`, and keep the weights beside the rules (frequencies never)."""
    import shutil

    from linkage.link import prepare
    from linkage.train import train as estimate

    with _loaded(work, name) as (con, ws, rules, one):
        prepare(con, rules, one, AS_OF)
        estimate(con, one)
        shutil.copy(ws.rules_folder / one.name / "weights.json", target / one.name / "weights.json")


@contextmanager
def _loaded(work: Path, name: str) -> Iterator[tuple[Any, Any, Any, Any]]:
    """A workspace with the rules of a set, and its files loaded."""
    from linkage.ingest import load_file
    from linkage.workspace import Workspace

    ws = Workspace.create(work / "workspace", rules=RULES / name)
    rules = ws.load_rules()
    one = rules.entities[ENTITIES[name]]
    with ws.lock("benchmark"):
        con = ws.connect()
        try:
            for source in one.sources.sources:
                load_file(con, ws, one, source, work / f"{source}.csv", AS_OF)
            yield con, ws, rules, one
        finally:
            con.close()


def _shuyuan(work: Path, name: str) -> Document:
    return _ours(work, name, "shuyuan")


def _shuyuan_trained(work: Path, name: str) -> Document:
    return _ours(work, name, "shuyuan_trained", trained=True)


def _shuyuan_release(work: Path, name: str) -> Document:
    return _ours(work, name, "shuyuan_release", published=True)


def _ours(work: Path, name: str, side: str, trained: bool = False, published: bool = False) -> Document:
    from linkage.decisions import DecisionStore
    from linkage.link import link, prepare
    from linkage.train import train as estimate

    marks = [("", time.process_time())]

    def mark(step: str) -> None:
        marks.append((step, time.process_time()))

    with _loaded(work, name) as (con, ws, rules, one):
        mark("load")
        if trained:
            prepare(con, rules, one, AS_OF)
            estimate(con, one)
            rules = ws.load_rules()
            mark("train")
        decisions = DecisionStore(ws.decisions)
        (report,) = link(con, ws, rules, decisions, AS_OF)
        mark("link")
        placed = "select source_key::bigint as id, cluster_id as grp from standard join cluster using (record_id)"
        if published:
            placed = _published(con, ws, rules, decisions, work / f"{side}_golden.parquet")
            mark("publish")
        _write(con, placed, work / f"{side}.parquet")
    cpu = {step: round(b - a, 2) for (_, a), (step, b) in pairwise(marks)}
    return {"pairs": report.candidate_pairs, "cpu": cpu}


def _published(con: Any, ws: Any, rules: Any, decisions: Any, golden: Path) -> str:
    """Publish what is linked, write its golden records, and give the SQL of who belongs to which."""
    from golden_records.plan import plan
    from golden_records.query import Release
    from golden_records.release import publish
    from golden_records.segments import table_sql

    number = publish(con, ws, rules, decisions, plan(con, ws, rules, decisions))
    with Release.of(ws.releases, number) as release:
        (name,) = release.manifest.entities
        folder = release.folder / name
        _write(con, f"select golden_id as grp, * from {table_sql(folder, 'golden')}", golden)
        return f"select source_key::bigint as id, golden_id as grp from {table_sql(folder, 'crosswalk')}"


def _splink(work: Path, name: str) -> Document:
    from splink import DuckDBAPI, Linker

    con = duckdb.connect()
    files = sorted(path for path in work.glob("*.csv") if path.stem not in ("truth", "values"))
    api = DuckDBAPI(con)
    tables = []
    for path in files:
        con.execute(
            f"create table {path.stem} as select * replace (id::bigint as id){EXTRA.get(name, '')} "
            f"from read_csv({literal(str(path))}, all_varchar = true, header = true)"
        )
        tables.append(api.register(path.stem))
    how = SPLINK[name]()
    linker = Linker(tables if len(tables) > 1 else tables[0], how["settings"], log_level="ERROR")
    training = linker.training
    training.estimate_probability_two_random_records_match(how["sure"], recall=how["recall"])
    training.estimate_u_using_random_sampling(max_pairs=how["u_pairs"], seed=SPLINK_SEED)
    for rule in how["em"]:
        training.estimate_parameters_using_expectation_maximisation(rule, **how.get("em_options", {}))
    predicted = linker.inference.predict(threshold_match_probability=how.get("predict"), warning_mode="never")
    clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(
        predicted, threshold_match_probability=how.get("cluster", 0.95)
    )
    _write(con, f"select id, cluster_id as grp from {clusters.physical_name}", work / "splink.parquet")
    return {"pairs": con.execute(f"select count(*) from {predicted.physical_name}").fetchall()[0][0]}


# What the examples add to the columns before they are handed over; the birth date of rldata10000 comes in three.
EXTRA = {
    "historical_50k": ", first_name || ' ' || surname as first_name_surname_concat",
    "rldata10000": """, lpad("by", 4, '0') || '-' || lpad(bm, 2, '0') || '-' || lpad(bd, 2, '0') as dob""",
}
WITHOUT_FREQUENCIES = {"estimate_without_term_frequencies": True}


def _splink_historical() -> Document:
    import splink.comparison_library as cl
    from splink import SettingsCreator, block_on

    return {
        "settings": SettingsCreator(
            link_type="dedupe_only",
            unique_id_column_name="id",
            blocking_rules_to_generate_predictions=[
                block_on("substr(first_name,1,3)", "substr(surname,1,4)"),
                block_on("surname", "dob"),
                block_on("first_name", "dob"),
                block_on("postcode_fake", "first_name"),
                block_on("postcode_fake", "surname"),
                block_on("dob", "birth_place"),
                block_on("substr(postcode_fake,1,3)", "dob"),
                block_on("substr(postcode_fake,1,3)", "first_name"),
                block_on("substr(postcode_fake,1,3)", "surname"),
                block_on("substr(first_name,1,2)", "substr(surname,1,2)", "substr(dob,1,4)"),
            ],
            comparisons=[
                cl.ForenameSurnameComparison(
                    "first_name", "surname", forename_surname_concat_col_name="first_name_surname_concat"
                ),
                cl.DateOfBirthComparison("dob", input_is_string=True),
                cl.PostcodeComparison("postcode_fake"),
                cl.ExactMatch("birth_place").configure(term_frequency_adjustments=True),
                cl.ExactMatch("occupation").configure(term_frequency_adjustments=True),
            ],
        ),
        "sure": [
            block_on("first_name", "surname", "dob"),
            block_on("substr(first_name,1,2)", "surname", "substr(postcode_fake,1,2)"),
            block_on("dob", "postcode_fake"),
        ],
        "recall": 0.6,
        "u_pairs": 1e7,
        "em": [block_on("first_name", "surname"), block_on("dob")],
        "em_options": WITHOUT_FREQUENCIES,
    }


def _splink_febrl3() -> Document:
    import splink.comparison_library as cl
    from splink import SettingsCreator, block_on

    return {
        "settings": SettingsCreator(
            link_type="dedupe_only",
            unique_id_column_name="id",
            blocking_rules_to_generate_predictions=[
                block_on(one) for one in ("soc_sec_id", "given_name", "surname", "date_of_birth", "postcode")
            ],
            comparisons=[
                cl.NameComparison("given_name"),
                cl.NameComparison("surname"),
                cl.DateOfBirthComparison("date_of_birth", input_is_string=True, datetime_format="%Y%m%d"),
                cl.DamerauLevenshteinAtThresholds("soc_sec_id", [2]),
                cl.ExactMatch("street_number").configure(term_frequency_adjustments=True),
                cl.ExactMatch("postcode").configure(term_frequency_adjustments=True),
            ],
        ),
        "sure": [
            block_on("soc_sec_id"),
            block_on("given_name", "surname", "date_of_birth"),
            "l.given_name = r.surname and l.surname = r.given_name and l.date_of_birth = r.date_of_birth",
        ],
        "recall": 0.9,
        "u_pairs": 1e6,
        "em": [block_on("date_of_birth"), block_on("postcode")],
        "predict": 0.2,
    }


def _splink_febrl4() -> Document:
    import splink.comparison_library as cl
    from splink import SettingsCreator, block_on

    return {
        "settings": SettingsCreator(
            link_type="link_only",
            unique_id_column_name="id",
            blocking_rules_to_generate_predictions=[
                block_on("given_name", "surname"),
                "l.given_name = r.surname and l.surname = r.given_name",
                block_on("date_of_birth"),
                block_on("soc_sec_id"),
                block_on("state", "address_1"),
                block_on("street_number", "address_1"),
                block_on("postcode"),
            ],
            comparisons=[
                cl.NameComparison("given_name").configure(term_frequency_adjustments=True),
                cl.NameComparison("surname").configure(term_frequency_adjustments=True),
                cl.DateOfBirthComparison(
                    "date_of_birth", input_is_string=True, datetime_format="%Y%m%d", invalid_dates_as_null=True
                ),
                cl.DamerauLevenshteinAtThresholds("soc_sec_id", [1, 2]),
                cl.ExactMatch("street_number").configure(term_frequency_adjustments=True),
                cl.DamerauLevenshteinAtThresholds("postcode", [1, 2]).configure(term_frequency_adjustments=True),
            ],
        ),
        "sure": [block_on("soc_sec_id"), block_on("given_name", "surname", "date_of_birth")],
        "recall": 0.8,
        "u_pairs": 1e6,
        "em": [block_on("date_of_birth"), block_on("postcode")],
        "em_options": WITHOUT_FREQUENCIES,
        "predict": 0.2,
        "cluster": 0.99,
    }


def _splink_fake() -> Document:
    import splink.comparison_library as cl
    from splink import SettingsCreator, block_on

    return {
        "settings": SettingsCreator(
            link_type="dedupe_only",
            unique_id_column_name="id",
            blocking_rules_to_generate_predictions=[block_on(one) for one in ("first_name", "surname", "dob", "email")],
            comparisons=[
                cl.ForenameSurnameComparison("first_name", "surname"),
                cl.DateOfBirthComparison("dob", input_is_string=True),
                cl.ExactMatch("city").configure(term_frequency_adjustments=True),
                cl.EmailComparison("email"),
            ],
        ),
        "sure": [
            "l.first_name = r.first_name and levenshtein(r.dob, l.dob) <= 1",
            "l.surname = r.surname and levenshtein(r.dob, l.dob) <= 1",
            "l.first_name = r.first_name and levenshtein(r.surname, l.surname) <= 2",
            "l.email = r.email",
        ],
        "recall": 0.7,
        "u_pairs": 1e6,
        "em": [block_on("dob"), block_on("email"), block_on("first_name", "surname")],
        "em_options": WITHOUT_FREQUENCIES,
    }


def _splink_rldata() -> Document:
    import splink.comparison_library as cl
    from splink import SettingsCreator, block_on

    return {
        "settings": SettingsCreator(
            link_type="dedupe_only",
            unique_id_column_name="id",
            blocking_rules_to_generate_predictions=[block_on(one) for one in ("fname_c1", "lname_c1", "dob")],
            comparisons=[
                cl.ForenameSurnameComparison("fname_c1", "lname_c1"),
                cl.DateOfBirthComparison("dob", input_is_string=True),
            ],
        ),
        "sure": [
            "l.fname_c1 = r.fname_c1 and levenshtein(r.dob, l.dob) <= 1",
            "l.lname_c1 = r.lname_c1 and levenshtein(r.dob, l.dob) <= 1",
            "l.fname_c1 = r.fname_c1 and levenshtein(r.lname_c1, l.lname_c1) <= 2",
        ],
        "recall": 0.7,
        "u_pairs": 1e6,
        "em": [block_on("dob"), block_on("fname_c1", "lname_c1")],
        "em_options": WITHOUT_FREQUENCIES,
    }


SPLINK: dict[str, Callable[[], Document]] = {
    "historical_50k": _splink_historical,
    "febrl3": _splink_febrl3,
    "febrl4": _splink_febrl4,
    "fake_1000": _splink_fake,
    "rldata10000": _splink_rldata,
}


def _goldenmatch(work: Path, name: str) -> Document:
    import logging
    import warnings

    import pyarrow as pa
    import pyarrow.csv as csv
    import pyarrow.parquet as pq

    logging.disable(logging.CRITICAL)
    files = sorted(path for path in work.glob("*.csv") if path.stem not in ("truth", "values"))
    names = csv.read_csv(files[0]).column_names
    texts = csv.ConvertOptions(column_types={name: pa.string() for name in names}, strings_can_be_null=True)
    table = pa.concat_tables([csv.read_csv(path, convert_options=texts) for path in files])
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        import goldenmatch as gm

        # Its answer to a configuration that it has no confidence in is an error, unless it is told to go on.
        result = gm.dedupe_df(table, exclude_columns=["id"], confidence_required=False)
    ids = [int(one) for one in table["id"].to_pylist()]
    group = {ids[row]: number for number, one in result.clusters.items() for row in one["members"]}
    # A record that it leaves alone is its own golden record.
    alone = [int(one) for one in result.unique["id"].to_pylist()]
    group |= {one: -one for one in alone if one not in group}
    found = pa.table({"id": list(group), "grp": list(group.values())})
    pq.write_table(found, work / "goldenmatch.parquet")
    columns = [column for column in table.column_names if column != "id"]
    parts = [(result.golden, "__cluster_id__")] if result.golden is not None else []
    single = result.unique.append_column("grp", pa.array([group[one] for one in alone], pa.int64()))
    golden = [
        _texts(one.select(columns)).append_column("grp", one[key].cast(pa.int64()))
        for one, key in (*parts, (single, "grp"))
    ]
    pq.write_table(pa.concat_tables(golden), work / "goldenmatch_golden.parquet")
    keys = [f"{one.type} {'+'.join(str(field.field) for field in one.fields)}" for one in result.config.matchkeys]
    return {"pairs": len(result.scored_pairs or ()), "said": f"it matches by {'; '.join(keys)}"}


def _texts(table: Any) -> Any:
    """The table with text in every column."""
    import pyarrow as pa

    return table.cast(pa.schema([(name, pa.string()) for name in table.column_names]))


def _write(con: duckdb.DuckDBPyConnection, selected: str, path: Path) -> None:
    con.execute(f"copy ({selected}) to {literal(str(path))} (format parquet)")


SIDES: dict[str, Callable[[Path, str], Document]] = {
    "shuyuan": _shuyuan,
    "shuyuan_trained": _shuyuan_trained,
    "shuyuan_release": _shuyuan_release,
    "splink": _splink,
    "goldenmatch": _goldenmatch,
}
