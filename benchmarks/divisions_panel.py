"""Takes the village and residents' committees of the whole country, 2016–2021, from raw files to a release.

    python -m benchmarks.divisions_panel --panel FILE.parquet [--prefix 13 --prefix 42] [--train] [--folder DIR]

The panel holds (level, code, name, year_from, year_to) of the statistical division codes. Each year becomes one
CSV file as the bureau's list would be delivered: year, code, name and the names that this year's list gives to the
township, county, prefecture and province of the code. Then the steps run as a user would run them (see
`steps.py`), and the release is judged from outside, by the files and the release's crosswalk alone:

    twice       golden committees that hold two rows of one year (must be none)
    unchanged   rows of one (code, name) in the golden committee that holds most of them
    recoded     villages of townships whose code was replaced: how many kept one golden id
    drawn       50 golden committees with more than one code or name, at random, to be looked at by eye
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.steps import Step, environment, save, shuyuan, table

YEARS = range(2016, 2022)
AS_OF = "2021-12-31"
DRAWN = 50

YEAR_SQL = """
copy (
  select {year} as "年份", v.code as "统计用区划代码", v.name as "名称", t.name as "乡镇", c.name as "县",
         d.name as "市", p.name as "省"
  from listed as v
  left join listed as t on t.level = 4 and t.code = left(v.code, 9)
  left join listed as c on c.level = 3 and c.code = left(v.code, 6)
  left join listed as d on d.level = 2 and d.code = left(v.code, 4)
  left join listed as p on p.level = 1 and p.code = left(v.code, 2)
  where v.level = 5 and {chosen}
  order by v.code
) to '{path}' (header)"""

# row: one committee's row of one year's file with the golden id that the release gives it.
ROW_SQL = """
create table row as
select f."年份"::integer as year, f."统计用区划代码" as code, f."名称" as name, f."乡镇" as township, f."县" as county,
       f."市" as city, x.golden_id
from read_csv($files, all_varchar = true, header = true) as f
left join (select source_key, golden_id from read_parquet($crosswalk) where until is null) as x
  on x.source_key = f."年份" || '-' || f."统计用区划代码" """

UNCHANGED_SQL = """
with held as (
  select code, name, golden_id, count(*) as rows from row where golden_id is not null group by all
), whole as (
  select code, name, sum(rows) as rows, max(rows) as together, count(*) as ids from held group by all
)
select count(*) as pairs, sum(rows)::bigint as rows, sum(together)::bigint as together, count(*) filter (ids = 1)
from whole where rows > 1"""

# moved: a village of a township code that was last listed in `year`, with the row of the next year that stands in a
# township code listed for the first time then, has the same name and is the only one of it there. The township
# codes are a pair if most of the villages went from the one to the other.
MOVED_SQL = """
create table moved as
with code9 as (
  select left(code, 9) as t, min(year) as first_year, max(year) as last_year from row group by all
), gone as (
  select r.*, left(code, 9) as t from row as r join code9 on t = left(code, 9)
  where year = last_year and year < {last} and golden_id is not null
), come as (
  select r.*, left(code, 9) as t from row as r join code9 on t = left(code, 9)
  where year = first_year and year > {first} and golden_id is not null
), met as (
  select g.t as old, c.t as new, g.year, g.code as old_code, c.code as new_code, g.name, g.golden_id as old_id,
         c.golden_id as new_id,
         count(*) over (partition by g.code, g.year, c.t) as there,
         count(*) over (partition by c.code, c.year, g.t) as here
  from gone as g join come as c on c.year = g.year + 1 and c.name = g.name and left(c.code, 2) = left(g.code, 2)
), pair as (
  select m.old, m.new, m.year, count(distinct old_code) as villages,
         (select count(*) from gone as g where g.t = m.old) as were
  from met as m group by all
)
select m.* from met as m join pair using (old, new, year)
where there = 1 and here = 1 and villages * 2 >= were"""

RECODED_SQL = """
select count(distinct (old, new)), count(*), count(*) filter (old_id = new_id),
       count(*) filter (right(old_code, 3) = right(new_code, 3)),
       count(*) filter (right(old_code, 3) <> right(new_code, 3) and old_id = new_id)
from moved"""

# swap: where only the code prefix decided, the row that a village of a recoded township would be taken for.
SWAP_SQL = """
select count(*), count(*) filter (s.name <> m.name) from moved as m
join row as s on s.code = m.new || right(m.old_code, 3) and s.year = m.year + 1"""

HISTORY_SQL = """
with told as (
  select golden_id, year, code, name, county || ' ' || township as place,
         lag(code || name || place) over (partition by golden_id order by year) is distinct from code || name || place
           as changed
  from row
), changed as (
  select golden_id, string_agg(year || ' ' || code || ' ' || place || ' ' || name, ' → ' order by year) as history,
         count(distinct code) as codes, count(distinct name) as names
  from told where changed group by golden_id
), numbered as (
  select history, md5(history || $seed) as draw from changed where golden_id is not null and (codes > 1 or names > 2)
)
select history from numbered order by draw limit $drawn"""


def write_years(panel: Path, folder: Path, prefixes: list[str]) -> list[Path]:
    """Write one CSV file a year of the committees whose codes begin with a prefix (none: of all)."""
    folder.mkdir(parents=True, exist_ok=True)
    con = duckdb.connect()
    chosen = " or ".join(f"starts_with(v.code, '{int(prefix)}')" for prefix in prefixes) or "true"
    files = []
    for year in YEARS:
        con.execute(
            "create or replace temp table listed as select level, code, name from read_parquet(?) "
            "where ? between year_from and year_to",
            [str(panel), year],
        )
        files.append(folder / f"统计用区划代码_{year}.csv")
        con.execute(YEAR_SQL.format(year=year, chosen=f"({chosen})", path=files[-1]))
    con.close()
    return files


def judge(files: list[Path], workspace: Path, seed: int) -> tuple[dict[str, Any], list[str]]:
    """What the release made of the files, and the histories of the golden committees drawn."""
    release = workspace / "releases/current/committee"
    con = duckdb.connect()
    con.execute(ROW_SQL, {"files": [str(file) for file in files], "crosswalk": str(release / "crosswalk.parquet")})
    twice = con.execute(
        "select count(*) from (select golden_id, year from row where golden_id is not null group by all "
        "having count(*) > 1)"
    ).fetchall()[0][0]
    pairs, rows, together, whole = con.execute(UNCHANGED_SQL).fetchall()[0]
    con.execute(MOVED_SQL.format(first=YEARS[0], last=YEARS[-1]))
    townships, villages, kept, same_number, renumbered = con.execute(RECODED_SQL).fetchall()[0]
    swapped, wrong = con.execute(SWAP_SQL).fetchall()[0]
    relations = dict(
        con.execute(
            "select type, count(*) from read_parquet(?) group by type order by type",
            [str(release / "relation.parquet")],
        ).fetchall()
    )
    codes, names, most = con.execute(
        "select count(*) filter (codes > 1), count(*) filter (names > 1), max(codes) from (select golden_id, "
        "count(distinct code) as codes, count(distinct name) as names from row where golden_id is not null "
        "group by golden_id)"
    ).fetchall()[0]
    drawn = con.execute(HISTORY_SQL, {"seed": str(seed), "drawn": DRAWN}).fetchall()
    con.close()
    figures = {
        "golden committees with two rows of one year": twice,
        "unchanged: (code, name) in several years": pairs,
        "unchanged: of them in one golden committee": whole,
        "unchanged: share of rows in one golden committee": round(together / rows, 6),
        "golden committees with several codes": codes,
        "golden committees with several spellings or names": names,
        "most codes of one golden committee": most,
        "recoded townships (most villages went from one new code to another)": townships,
        "recoded: villages found again by name": villages,
        "recoded: kept one golden id": kept,
        "recoded: share that kept it": round(kept / villages, 5) if villages else None,
        "recoded: kept their number in the township": same_number,
        "recoded: numbered anew and kept one golden id": renumbered,
        "recoded: share a swap of the code's prefix would join to another name": round(wrong / swapped, 4)
        if swapped
        else None,
        "relations": relations,
    }
    return figures, [row[0] for row in drawn]


def travel(
    panel: Path, folder: Path, prefixes: list[str], train: bool, seed: int
) -> tuple[list[Step], dict[str, Any], list[str]]:
    """All steps in `folder`: their costs, the figures and the histories drawn."""
    files = write_years(panel, folder / "files", prefixes)
    place = folder / "workspace"
    here = ("--workspace", str(place), "--json")
    steps = [
        shuyuan("init", "init", str(place)),
        shuyuan("load", "load", *(str(file) for file in files), *here),
    ]
    if train:
        steps.append(shuyuan("train", "train", "committee", "--as-of", AS_OF, *here))
    steps += [
        shuyuan("link", "link", "committee", "--as-of", AS_OF, *here),
        shuyuan("plan", "plan", *here),
        shuyuan("publish", "publish", "--yes", *here),
    ]
    said = {step.name: json.loads(step.stdout) for step in steps if step.name in ("load", "link", "plan")}
    (linked,) = said["link"]
    judged, drawn = judge(files, place, seed)
    figures = {
        "source records": sum(one["read"] for one in said["load"]["loaded"]),
        "quarantined (no committees)": linked["quarantined"],
        "findings": linked["findings"],
        "candidate pairs": linked["candidate_pairs"],
        "accepted pairs": linked["accepted"],
        "unions refused by a constraint": linked["refused"],
        "golden committees": linked["clusters"],
        **judged,
        "seconds of link": linked["seconds"],
        "disk of the workspace, MiB": sum(p.stat().st_size for p in place.rglob("*") if p.is_file()) >> 20,
    }
    return steps, figures, drawn


def main() -> None:
    """Run, print and write `benchmarks/results/divisions_panel.json` and `.md`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--panel", type=Path, required=True)
    parser.add_argument("--prefix", action="append", default=[], help="codes that begin so; may be repeated")
    parser.add_argument("--train", action="store_true", help="estimate the weights instead of taking the shipped ones")
    parser.add_argument("--seed", type=int, default=50)
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder")
    parser.add_argument("--keep", action="store_true", help="leave the workspace where it is")
    parser.add_argument("--name", default="divisions_panel", help="name of the result files")
    chosen = parser.parse_args()
    work = Path(tempfile.mkdtemp(dir=chosen.folder))
    machine = environment()
    try:
        steps, figures, drawn = travel(chosen.panel, work, chosen.prefix, chosen.train, chosen.seed)
    finally:
        if not chosen.keep:
            shutil.rmtree(work, ignore_errors=True)
    document = {"environment": machine, "steps": [step.figures() for step in steps], "figures": figures, "drawn": drawn}
    lines = [
        "# Village and residents' committees of the whole country, 2016–2021\n",
        f"`python -m benchmarks.divisions_panel --panel … {' '.join(f'--prefix {p}' for p in chosen.prefix)}`\n",
        f"{machine}\n",
        table(steps),
        "",
        *(f"- {key}: {value:,}" if isinstance(value, int) else f"- {key}: {value}" for key, value in figures.items()),
        f"\n## {len(drawn)} golden committees with several codes or names, drawn at random\n",
        *(f"{number}. {history}" for number, history in enumerate(drawn, 1)),
        "",
    ]
    print("\n".join(lines))
    save(chosen.name, document, "\n".join(lines))


if __name__ == "__main__":
    main()
