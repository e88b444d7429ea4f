"""What a maintainer of rules asks: what blocking costs and finds, what would do better, how good the linkage is."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import duckdb
import typer

from commands.printing import Bars, as_number, out, plain, print_json, print_table
from commands.shared import HERE, AsJson, AsOf, Batch, EntityName, Number, Place, day_of, entity_of, open_batch
from golden_records import accuracy
from golden_records.drift import drift
from golden_records.query import Release
from golden_records.run_report import run_report
from linkage import blocking as blockings
from linkage import clerical
from linkage.decisions import DecisionStore
from linkage.frame import build
from linkage.known import Known, from_frame, from_truth, from_weights
from linkage.link import standardized
from linkage.rule_sets import name_of
from linkage.splink_model import weighed
from linkage.suggesting import suggest
from linkage.waiting import fill_queue
from linkage.workspace import Workspace, use_entity
from rules.errors import NotFoundError, RefusedError
from rules.model import EntityRules

app = typer.Typer()
CAP = 100


@app.command()
def blocking(
    entity: EntityName,
    workspace: Place = HERE,
    truth: Annotated[Path | None, typer.Option(help="CSV: source, source_key, truth. Default: the weights.")] = None,
    suggested: Annotated[bool, typer.Option("--suggest", help="Search for rules that do better.")] = False,
    budget: Annotated[int | None, typer.Option(min=1, help="Pairs for --suggest; default: those of today.")] = None,
    cap: Annotated[int, typer.Option(min=2, help="The cap of suggested rules.")] = CAP,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Count what every blocking rule costs and finds, and what it would cost a larger registry."""
    with open_batch(workspace, "blocking") as batch:
        bars = Bars()
        one, linked = standardized(batch.con, batch.ws, batch.rules, batch.decisions, entity, day_of(as_of))

        found = blockings.measure(batch.con, one, _known(batch, one, truth, linked), bars)
        if suggested:
            pairs = budget or found["union"]["pairs"] or sum(rule["pairs"] for rule in found["rules"])
            found["suggested"] = _suggested(batch, one, _likely(batch, one, truth, linked), pairs, cap)
    if as_json:
        return print_json(found)
    _show(found)


@app.command()
def evaluate(
    entity: EntityName,
    truth: Annotated[
        Path | None, typer.Option(help="CSV: source, source_key, truth; optionally error, true_<field>.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="CSV of pairs: left_source, left_key, right_source, right_key, label.")
    ] = None,
    draw: Annotated[int | None, typer.Option(min=10, help="Draw so many pairs for review.")] = None,
    seed: Annotated[int, typer.Option(help="Another seed draws another sample.")] = 1,
    precision: Annotated[
        float | None, typer.Option(min=0, max=1, help="With --truth: the precision that a threshold is wanted for.")
    ] = None,
    judge: Annotated[
        bool, typer.Option("--judge", help="With --truth: let recordlinkage judge the same pairs, too.")
    ] = False,
    workspace: Place = HERE,
    release: Number = None,
    as_json: AsJson = False,
) -> None:
    """Judge a release against a known truth, or the linkage by what stewards said of a sample of pairs."""
    if truth is not None:
        with open_batch(workspace, "evaluate") as batch:
            one = entity_of(batch.rules, entity)
            with Release.of(batch.ws.releases, release) as published:
                found = accuracy.evaluate(batch.con, one, batch.ws.rules_folder, published, truth, precision, judge)
            found["drift"] = drift(batch.con, batch.ws, one)
        show = _show_judged
    elif labels is not None:
        ws = Workspace.open(workspace)
        with Release.of(ws.releases, release) as published, duckdb.connect() as con:
            found = accuracy.labelled(con, entity_of(ws.load_rules(), entity).name, published, labels)
        show = _show_labelled
    elif draw is not None:
        found, show = _draw(workspace, entity, draw, seed), _show_drawn
    else:
        with open_batch(workspace, "evaluate") as batch:
            one = entity_of(batch.rules, entity)
            sample = clerical.SampleStore(batch.decisions).last(one.name)
            said = clerical.answers(batch.decisions, one.name)
            found = {**clerical.estimated(sample, said), "promises": clerical.promises(sample, said)}
            use_entity(batch.con, one.name)
            found["drift"] = drift(batch.con, batch.ws, one)
        show = _show_estimated
    if as_json:
        return print_json(found)
    show(entity, found)


@app.command()
def report(
    run: Annotated[str | None, typer.Argument(help="A release, or an entity type; default: the current one.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write one self-contained page to this new file.")] = None,
    suggested: Annotated[
        bool, typer.Option("--suggest", help="Of an entity type: with blocking rules that do better.")
    ] = False,
    workspace: Place = HERE,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Tell in one document, or one page with charts, what a run made, or of blocking, weights and accuracy."""
    if run is None or run.isdecimal():
        ws = Workspace.open(workspace)
        with Release.of(ws.releases, None if run is None else int(run)) as release:
            document = run_report(release, ws.load_rules())
        show = _show_run
    else:
        document = _tuning(workspace, run, day_of(as_of), suggested)
        show = _show_tuning
    if html is not None:
        from golden_records import page

        (page.write_tuning if "blocking" in document else page.write_run)(document, html)
    if as_json:
        return print_json(document)
    if html is None:
        return show(document)
    out.print(f"{html} is written.")


def _tuning(workspace: Path, entity: str, as_of: date, suggested: bool) -> dict[str, Any]:
    """Blocking, weights and accuracy of an entity type."""
    with open_batch(workspace, "report") as batch:
        one, linked = standardized(batch.con, batch.ws, batch.rules, batch.decisions, entity, as_of)
        found = blockings.measure(batch.con, one, _known(batch, one, None, linked))
        if suggested:
            pairs = found["union"]["pairs"] or sum(rule["pairs"] for rule in found["rules"])
            found["suggested"] = _suggested(batch, one, _likely(batch, one, None, linked), pairs, CAP)
        return {
            "entity": entity,
            "rule_set": name_of(batch.ws.rules_folder),
            "blocking": found,
            "weights": weighed(one),
            "evaluation": _last_estimate(batch.decisions, entity),
            "drift": drift(batch.con, batch.ws, one),
        }


def _show_tuning(document: dict[str, Any]) -> None:
    _show(document["blocking"])


def _show_run(document: dict[str, Any]) -> None:
    events = tuple(dict.fromkeys(event for one in document["entities"].values() for event in one["events"]))
    out.print(
        f"release {document['release']} of {document['published_at']}, as of {document['as_of']}; "
        f"rule set {(document['rule_set'] or document['rules'])[:16]}; inputs {document['inputs'][:16]}"
    )
    print_table(
        "",
        ("entity", "records", "golden", *events),
        [
            [name, *map(as_number, (one["records"], one["golden"], *(one["events"].get(event, 0) for event in events)))]
            for name, one in document["entities"].items()
        ],
    )
    print_table(
        "sources",
        ("entity", "source", "files", "rows", "members"),
        [
            [name, source, *map(as_number, (told["files"], told["rows"], told["members"]))]
            for name, one in document["entities"].items()
            for source, told in one["sources"].items()
        ],
    )
    if document["forced"]:
        out.print(f"limits were overruled: {document['forced']}")


def _known(batch: Batch, one: EntityRules, truth: Path | None, linked: bool) -> Known:
    """The pairs that rules are judged by: of a truth, else those that are accepted."""
    if truth is not None:
        return from_truth(batch.con, truth)
    return from_weights(batch.con, batch.decisions.replay(one.name), linked)


def _likely(batch: Batch, one: EntityRules, truth: Path | None, linked: bool) -> Known:
    """The pairs that better rules are searched by: of a truth, else also what is only likely."""
    if truth is not None or not linked:
        return _known(batch, one, truth, linked)
    build(batch.con, one)
    return from_frame(batch.con, batch.decisions.replay(one.name))


def _suggested(batch: Batch, one: EntityRules, known: Known, budget: int, cap: int) -> dict[str, Any]:
    """Rules that do better within a budget, and what they would cost a larger registry."""
    better = suggest(batch.con, one.entity, known, budget, cap, Bars())
    changed = one.model_copy(update={"entity": one.entity.model_copy(update={"blocking": better.rules})})
    measured = blockings.measure(batch.con, changed, known)
    told = [*measured["rules"], measured["union"]]
    return {
        "budget": budget,
        "pairs": better.pairs,
        "share": better.share,
        "path": [{"pairs": n, "share": share} for n, share in better.path],
        "present": [{"pairs": n, "share": share} for n, share in better.present],
        "rules": [{key: rule[key] for key in ("rule", "pairs", "grown") if key in rule} for rule in told],
        "toml": better.as_toml(),
    }


def _last_estimate(decisions: DecisionStore, entity: str) -> dict[str, Any] | None:
    """What the last sample says; None where none was drawn."""
    try:
        sample = clerical.SampleStore(decisions).last(entity)
    except NotFoundError:
        return None
    return clerical.estimated(sample, clerical.answers(decisions, entity))


def _draw(workspace: Path, entity: str, size: int, seed: int) -> dict[str, Any]:
    """Draw a sample of a linked entity type and put its pairs into the review queue."""
    with open_batch(workspace, "draw a sample") as batch:
        bars = Bars()
        one, linked = standardized(batch.con, batch.ws, batch.rules, batch.decisions, entity, day_of(None))
        if not linked:
            raise RefusedError(f"{entity} is not linked from what is there now; run 'shuyuan link' first")
        sample = clerical.draw(batch.con, one.entity, build(batch.con, one, bars), size, seed)
        number = clerical.SampleStore(batch.decisions).keep(entity, sample)
        waiting = fill_queue(batch.con, one, batch.decisions, day_of(None))
        batch.trail.append(
            "draw a sample", {"entity": entity, "sample": number, "pairs": len(sample.drawn), "seed": seed}
        )
    counts = Counter(one.stratum for one in sample.drawn)
    pairs: Counter[str] = Counter()
    for cell in sample.cells:
        pairs[cell.stratum] += cell.pairs
    return {
        "entity": entity,
        "sample": number,
        "drawn": len(sample.drawn),
        "waiting": waiting,
        "strata": [{"stratum": name, "pairs": n, "drawn": counts[name]} for name, n in pairs.items()],
    }


def _show_drawn(entity: str, found: dict[str, Any]) -> None:
    rows = [[one["stratum"], as_number(one["pairs"]), as_number(one["drawn"])] for one in found["strata"]]
    print_table(f"{entity}: sample {found['sample']}", ("stratum", "pairs", "drawn"), rows)
    out.print(
        f"{found['drawn']} pairs wait in 'shuyuan review {entity}'; 'shuyuan evaluate {entity}' counts the answers."
    )


def _show_labelled(entity: str, found: dict[str, Any]) -> None:
    names = ("same_together", "same_apart", "different_together", "different_apart", "unplaced")
    title = f"{entity}: {found['labels']:,} labelled pairs"
    print_table(title, names, [[as_number(found[name]) for name in names]])
    for name in ("precision", "recall"):
        if found[name]:
            value, spread = _interval(found[name])
            out.print(f"{name} among them: {value} ({spread})")


def _show_estimated(entity: str, found: dict[str, Any]) -> None:
    if not found["answered"]:
        out.print(
            f"nobody answered yet: the {found['drawn']} pairs of sample {found['sample']} wait in 'shuyuan review'"
        )
        return _show_drift(found["drift"])
    answered = f"{found['answered']} of {found['drawn']} answered"
    title = f"{entity}: sample {found['sample']} of {found['drawn_at'][:10]}, {answered}"
    print_table(
        title, ("", "estimate", "95 %"), [[name, *_interval(found[name])] for name in ("precision", "recall", "f1")]
    )
    names = ("pairs", "drawn", "answered", "one_entity")
    rows = [[one["stratum"], *(as_number(one[name]) for name in names)] for one in found["strata"]]
    print_table("strata", ("stratum", "pairs", "drawn", "answered", "one entity"), rows)
    for one in found["promises"]:
        where = f" in {one['region']}" if one["region"] else ""
        more = f"; {one['answers_needed']:,} answers would show {one['tighter']:.1%}" if one["answers_needed"] else ""
        out.print(
            f"false merges{where} ≤ {one['false_merges_at_most']:.2%} (95 %, {one['answered']} reviewed of "
            f"{one['linked_pairs']:,}{more})"
        )
    _show_drift(found["drift"])
    for name, words in (("rule", "no rule makes"), ("probe", "neither a rule nor a probe makes")):
        unseen = found[f"matches_that_no_{name}_makes"]
        out.print(f"matches that {words}: {unseen['value']:.0f} ({unseen['low']:.0f}–{unseen['high']:.0f})")


def _show_drift(found: dict[str, Any] | None) -> None:
    """What moved since the last release, or that nothing did."""
    if found is None:
        return
    limits = found["told_from"]
    if found["levels"] is None:
        out.print(f"release {found['release']} keeps no levels to compare with; the next one will")
    for one in found["moved"]:
        out.print(plain(f"drift since release {found['release']}: {one}"))
    if not found["moved"]:
        out.print(
            f"no drift since release {found['release']} (weights {limits['bits']:g} bits, levels index "
            f"{limits['index']:g}, values {limits['bits']:g} bits)"
        )


def _interval(one: dict[str, float]) -> list[str]:
    return [f"{one['value']:.4f}", f"{one['low']:.4f}–{one['high']:.4f}"]


def _show_judged(entity: str, found: dict[str, Any]) -> None:
    names = ("true_pairs", "found_pairs", "right_pairs", "precision", "recall", "f1")
    rows = [["all pairs", "", *(as_number(found["pairwise"][name]) for name in names)]]
    rows += [
        [kind, as_number(one["records"]), *(as_number(one[n]) for n in names)]
        for kind, one in found["by_error"].items()
    ]
    print_table(
        f"{entity}: {found['records']:,} records, {found['unplaced']:,} not placed", ("error", "records", *names), rows
    )
    for name, title in (("pairwise", "pairs"), ("bcubed", "B-cubed")):
        told = {key: _interval(one) for key, one in found[name]["intervals"].items()}
        out.print(f"{title}: " + ", ".join(f"{key} {value} ({spread})" for key, (value, spread) in told.items()))
    whole = found["wholly_right"]
    out.print(
        f"golden records that hold all of one entity and nothing else: {whole['share']:.2%} of {whole['groups']:,}"
    )
    for part in ("by_source_pair", "by_region", "by_rule"):
        rows = [
            [name, *(as_number(one.get(key)) for key in ("found_pairs", "accepted", "precision", "recall"))]
            for name, one in found.get(part, {}).items()
        ]
        if rows:
            print_table(part.replace("_", " "), ("", "found", "accepted", "precision", "recall"), rows)
    if "thresholds" in found and found["thresholds"]["chosen"]:
        chosen = found["thresholds"]["chosen"]
        out.print(
            f"precision {found['thresholds']['wanted_precision']:g} holds from weight {chosen['threshold']:g} on "
            f"(recall {chosen['recall']:.4f} of pairs by weight alone)"
        )
    _show_drift(found["drift"])
    if "outside" in found:
        _show_outside(found["outside"])
    if "values" in found:
        values = found["values"]
        rows = [["every value", as_number(values["golden"]), as_number(values["share"])]]
        for part in ("by_field", "by_error"):
            rows += [[name, as_number(one["golden"]), as_number(one["share"])] for name, one in values[part].items()]
        print_table("golden records with true values", ("", "golden", "true"), rows)


def _show_outside(found: dict[str, Any]) -> None:
    rows = [
        [
            name.replace("_", " "),
            *(as_number(one[part][key]) for part in ("pairs", "groups") for key in ("precision", "recall", "f1")),
            as_number(one["unlike_weights"]),
        ]
        for name, one in found["judges"].items()
    ]
    learned, scored = found["learned_from"], found["scored_on"]
    title = (
        f"{found['package']} on the same pairs: learned from {learned['pairs']:,} with {learned['matches']:,} matches, "
        f"scored on {scored['pairs']:,} of the other half of the entities with {scored['true_pairs']:,} true pairs"
    )
    names = ("judge", "pairs: precision", "recall", "F1", "groups: precision", "recall", "F1", "unlike weights")
    print_table(title, names, rows)


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
        if goals:
            rows = [
                [one["rule"], as_number(one["pairs"]), *map(_grown, one.get("grown", ()))] for one in better["rules"]
            ]
            print_table("suggested: pairs, and pairs per record in a larger registry", ("rule", "pairs", *goals), rows)
        known = "known" if found["known_from"] == "truth" else "likely"
        if better["present"]:
            last = better["present"][-1]
            out.print(f"present rules: {last['share']:.2%} of the {known} pairs with {last['pairs']:,} pairs")
        out.print(
            f"suggested: {better['share']:.2%} of the {known} pairs with {better['pairs']:,} pairs "
            f"(budget {better['budget']:,}). In entity.toml, then 'shuyuan train {found['entity']}':\n"
        )
        out.print(plain(better["toml"]))


def _grown(goal: dict[str, Any]) -> str:
    least = "≤ " if goal["capped"] else ""
    return f"{least}{goal['per_record']:,.3g} ({goal['low_per_record']:,.3g}–{goal['high_per_record']:,.3g})"


def _short(records: int) -> str:
    return f"{records / 1e9:g} bn" if records >= 10**9 else f"{records // 10**6} M"
