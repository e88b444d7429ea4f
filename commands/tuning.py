"""What a maintainer of rules asks: what blocking costs and finds, and which rules would do better."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from commands.printing import Bars, as_number, out, plain, print_json, print_table
from commands.shared import HERE, AsJson, AsOf, EntityName, Place, day_of, open_batch
from linkage import blocking as blockings
from linkage.known import Known, from_truth, from_weights
from linkage.link import standardized
from linkage.suggesting import suggest

app = typer.Typer()


@app.command()
def blocking(
    entity: EntityName,
    workspace: Place = HERE,
    truth: Annotated[Path | None, typer.Option(help="CSV: source, source_key, truth. Default: the weights.")] = None,
    suggested: Annotated[bool, typer.Option("--suggest", help="Search for rules that do better.")] = False,
    budget: Annotated[int | None, typer.Option(min=1, help="Pairs for --suggest; default: those of today.")] = None,
    cap: Annotated[int, typer.Option(min=2, help="The cap of suggested rules.")] = 100,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Count what every blocking rule costs and finds, and what it would cost a larger registry."""
    with open_batch(workspace, "blocking") as batch:
        bars = Bars()
        one, linked = standardized(batch.con, batch.ws, batch.rules, batch.decisions, entity, day_of(as_of))

        def known() -> Known:
            if truth is not None:
                return from_truth(batch.con, truth)
            return from_weights(batch.con, batch.decisions.replay(entity), linked)

        found = blockings.measure(batch.con, one, known(), bars)
        if suggested:
            pairs = budget or found["union"]["pairs"] or sum(rule["pairs"] for rule in found["rules"])
            better = suggest(batch.con, one.entity, known(), pairs, cap, bars)
            found["suggested"] = {
                "budget": pairs,
                "pairs": better.pairs,
                "share": better.share,
                "path": [{"pairs": n, "share": share} for n, share in better.path],
                "toml": better.as_toml(),
            }
    if as_json:
        return print_json(found)
    _show(found)


def _show(found: dict[str, Any]) -> None:
    goals = [f"at {_short(goal['records'])}" for goal in found["union"].get("grown", ())]
    names = ("rule", "pairs", "per record", "only it", "known caught", "share", "s predicted", "s", "largest blocks")
    rows = []
    for one in (*found["rules"], found["union"]):
        blocks = "; ".join(
            f"{' + '.join(str(key) for key in block['keys'])} ({block['records']})"
            for block in one.get("largest_blocks", ())[:2]
        )
        rows.append(
            [
                one["rule"],
                *(as_number(one.get(name)) for name in ("pairs", "per_record", "only", "caught", "share")),
                *(as_number(one.get(name)) for name in ("predicted_s", "seconds")),
                blocks,
            ]
        )
    where = "the truth" if found["known_from"] == "truth" else "the weights"
    title = f"{found['entity']}: {found['records']:,} records, {found['known_pairs']:,} pairs known from {where}"
    print_table(title, names, rows)
    if goals:
        rows = [[one["rule"], *map(_grown, one["grown"])] for one in (*found["rules"], found["union"])]
        print_table("pairs per record in a larger registry, with 95 % intervals", ("rule", *goals), rows)
    if "suggested" in found:
        better = found["suggested"]
        out.print(
            f"suggested: {better['share']:.2%} of the known pairs with {better['pairs']:,} pairs "
            f"(budget {better['budget']:,}). In entity.toml, then 'shuyuan train {found['entity']}':\n"
        )
        out.print(plain(better["toml"]))


def _grown(goal: dict[str, Any]) -> str:
    return f"{goal['per_record']:,.3g} ({goal['low_per_record']:,.3g}–{goal['high_per_record']:,.3g})"


def _short(records: int) -> str:
    return f"{records / 1e9:g} bn" if records >= 10**9 else f"{records // 10**6} M"
