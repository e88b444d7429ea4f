"""What can be wrong in rules beyond their shape: names that point nowhere, levels and functions nobody has.

Every function gives `Problem`s and raises nothing, so that a maintainer sees all of them in one run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from graphlib import CycleError, TopologicalSorter
from typing import Any

from sqlglot import exp
from sqlglot.errors import SqlglotError

from rules.columns import FIXED, GOLDEN, ascii_columns, standard_columns
from rules.errors import Problem
from rules.errors import unknown_names as _known
from rules.expressions import called, parsed
from rules.kinds import KINDS
from rules.model import Authority, ComparisonRule, Entity, EntityRules, Rules, Sources

# DuckDB counts UTF-8 bytes in these: levenshtein('张伟','张玮') is 3.
BYTEWISE = frozenset(
    {
        "levenshtein",
        "editdist3",
        "damerau_levenshtein",
        "jaro_similarity",
        "jaro_winkler_similarity",
        "jaccard",
        "hamming",
        "mismatches",
    }
)

# The tables of a plan that checks over golden records may read.
PLANNED = ("standard", "member", "golden", "golden_number", "provenance", "relation", "state", "crosswalk", "finding")


def within(rules: EntityRules) -> list[Problem]:
    """The problems of one entity folder."""
    return [*_entity(rules), *_sources(rules), *_cases(rules)]


def across(entities: Mapping[str, EntityRules]) -> list[Problem]:
    """The problems between entity folders: one id prefix for two, references that point nowhere or in a circle."""
    seen: dict[str, str] = {}
    problems = [problem for rules in entities.values() for problem in _references(rules, entities)]
    try:
        TopologicalSorter({name: rules.needs & entities.keys() for name, rules in entities.items()}).prepare()
    except CycleError as error:
        circle = " -> ".join(error.args[1])
        problems.append(
            Problem(f"{error.args[1][0]}/entity.toml", "fields", f"entity types refer in a circle: {circle}")
        )
    problems += _superiors(entities)
    for name, rules in entities.items():
        prefix = rules.entity.prefix
        if prefix in seen:
            message = f"{prefix!r} is already the prefix of {seen[prefix]}; choose another one"
            problems.append(Problem(f"{name}/entity.toml", "prefix", message))
        seen.setdefault(prefix, name)
    return problems


def _superiors(entities: Mapping[str, EntityRules]) -> Iterator[Problem]:
    """Departments with two superiors, and those that are their own."""
    above: dict[str, str] = {}
    for name, rules in entities.items():
        for owner, said in rules.sources.owners.items():
            if above.setdefault(owner, said.superior) != said.superior:
                message = f"has the superior {said.superior!r} here and {above[owner]!r} in another entity type"
                yield Problem(f"{name}/sources.toml", f"owners.{owner}", message)
    try:
        TopologicalSorter({owner: [superior] for owner, superior in above.items()}).prepare()
    except CycleError as error:
        yield Problem("sources.toml", "owners", f"superiors run in a circle: {' -> '.join(error.args[1])}")


def _references(rules: EntityRules, entities: Mapping[str, EntityRules]) -> Iterator[Problem]:
    """What a folder says of other folders: reference fields, what their keys are, sources made of others' records."""
    for name, field in rules.entity.fields.items():
        if field.kind in KINDS and "entity" in KINDS[field.kind].options:
            key = f"fields.{name}.options.entity"
            yield from _known(f"{rules.name}/entity.toml", key, [str(field.options.get("entity", ""))], entities)
    for source, declared in rules.sources.sources.items():
        where = f"sources.{source}"
        for name, refers in declared.refers.items():
            target = entities.get(str(rules.entity.fields[name].options.get("entity", "")))
            if target is None:
                continue
            file, key = f"{rules.name}/sources.toml", f"{where}.refers.{name}"
            if (refers.source is None) == (refers.field is None):
                yield Problem(file, key, "needs either `source` or `field`: what are the keys in this column?")
            elif refers.source is not None:
                yield from _known(file, key, [refers.source], target.sources.sources, "source")
            else:
                identifiers = [n for n, f in target.entity.fields.items() if f.identifier]
                yield from _known(file, key, [str(refers.field)], identifiers, "identifier field")
        if declared.grouped is not None:
            file, key = f"{rules.name}/sources.toml", f"{where}.grouped"
            yield from _known(file, f"{key}.entity", [declared.grouped.entity], entities, "entity type")
            owner = entities.get(declared.grouped.entity)
            if owner is not None:
                yield from _known(file, f"{key}.source", [declared.grouped.source], owner.sources.sources, "source")
                delivered = {*owner.entity.fields, "source_key", "observed_on"}
                for sql in (declared.grouped.by, declared.grouped.where, *declared.grouped.fields.values()):
                    yield from _sql(file, key, sql, delivered, frozenset())


def warnings(rules: Rules) -> list[Problem]:
    """What is not wrong but worth a look: published fields without a source, authority gaps and overlaps, levels
    that `train` has to weigh before `link` can."""
    found: list[Problem] = []
    for name, one in rules.entities.items():
        found += _weights(one)
        file = f"{name}/sources.toml"
        mapped = {field for source in one.sources.sources.values() for field in source.columns}
        led = [field for row in one.sources.authority for field in row.fields]
        for field, rule in one.entity.fields.items():
            if rule.golden and one.sources.sources and field not in mapped:
                found.append(Problem(file, field, "no source delivers this field"))
            elif rule.golden and len(one.sources.sources) > 1 and field not in led:
                found.append(Problem(file, field, "no lead source in the authority matrix"))
            elif rule.golden and field in led:
                found += _gaps(file, field, one.sources)
        for i, row in enumerate(one.sources.authority):
            for other in one.sources.authority[:i]:
                shared = sorted(set(row.fields) & set(other.fields))
                where = sorted(set(row.regions) & set(other.regions)) if row.regions or other.regions else []
                if shared and not _apart(row, other):
                    places = f" in {', '.join(where)}" if where else ""
                    message = f"overlaps an earlier row for {', '.join(shared)}{places}"
                    found.append(Problem(file, f"authority.{i}", message))
    return found


def _apart(row: Authority, other: Authority) -> bool:
    """Whether two rows never count for one golden record on one day: other days, or other regions.

    A region inside another one's is no overlap: there the row for the smaller one counts.
    """
    in_time = (row.until and other.since and row.until <= other.since) or (
        other.until and row.since and other.until <= row.since
    )
    in_place = not set(row.regions) & set(other.regions) if row.regions or other.regions else False
    return bool(in_time or in_place)


def _gaps(file: str, field: str, sources: Sources) -> Iterator[Problem]:
    """Where and when nobody leads in a field that the authority matrix names; leads that do not deliver it."""
    rows = [row for row in sources.authority if field in row.fields]
    general = [row for row in rows if not row.regions]
    if not general:
        regions = sorted({region for row in rows for region in row.regions})
        yield Problem(file, field, f"no lead source outside the regions {', '.join(regions)}")
    day = None
    for row in sorted(general, key=lambda row: row.since or date.min):
        if day is not None and row.since is not None and day < row.since:
            yield Problem(file, field, f"no lead source from {day} until {row.since}")
        day = max(day or date.min, row.until or date.max)
    if day is not None and day < date.max:
        yield Problem(file, field, f"no lead source from {day} on")
    for name in dict.fromkeys(row.order[0] for row in rows):
        source = sources.sources.get(name)
        if source is not None and field not in {*source.columns, *(source.grouped.fields if source.grouped else ())}:
            yield Problem(file, field, f"{name} leads, but does not deliver it")


def bytewise_uses(sql: str, ascii_names: frozenset[str]) -> list[str]:
    """Byte-wise string functions in `sql` that are applied to anything but ASCII columns."""
    found = []
    for call in parsed(sql).find_all(exp.Func):
        name = called(call)
        if name in BYTEWISE:
            columns = {_unsided(column.name) for column in call.find_all(exp.Column)}
            if not columns or not columns <= ascii_names:
                found.append(f"{name}({', '.join(sorted(columns))})")
    return found


def _entity(rules: EntityRules) -> Iterator[Problem]:
    entity, file = rules.entity, f"{rules.folder.name}/entity.toml"
    if entity.entity != rules.folder.name:
        yield Problem(file, "entity", f"is {entity.entity!r} but the folder is named {rules.folder.name!r}")
    for name, rule in entity.fields.items():
        yield from _field(file, name, rule.kind, rule.options)
        if name in {*FIXED, *GOLDEN}:
            yield Problem(file, f"fields.{name}", "is the name of a column that every record has; choose another name")
    columns = standard_columns(entity)
    sides = {f"{c}_{side}" for c in columns for side in "lr"} | {f"gamma_{c.name}" for c in entity.comparisons}
    ascii_names = ascii_columns(entity)
    for key, sql, known in [*_record_sql(entity, set(columns)), *_pair_sql(entity, sides)]:
        yield from _sql(file, key, sql, known, ascii_names)
    for i, check in enumerate(entity.golden_checks):
        yield from _golden_check(file, f"golden_checks.{i}.sql", check.sql)
    for name, rule in entity.fields.items():
        yield from _known(file, f"fields.{name}.alias_of", [rule.alias_of] if rule.alias_of else [], columns)
    for i, own in enumerate(entity.checks):
        yield from _known(file, f"checks.{i}.among", [own.among] if own.among else [], columns)
    for i, exclusive in enumerate(entity.exclusive):
        yield from _known(file, f"exclusive.{i}.column", [exclusive.column], columns)
    for i, block in enumerate(entity.blocking):
        if not block.keys and block.each is None:
            yield Problem(file, f"blocking.{i}", "needs `keys` or `each`: in what are the records of a block equal?")
    for i, relation in enumerate(entity.relations):
        if sum(form is not None for form in (relation.field, relation.party, relation.keys or None)) != 1:
            yield Problem(file, f"relations.{i}", "needs one of `field`, `party`, `keys`: what joins the two records?")
        elif relation.party is not None:
            yield from _known(file, f"relations.{i}.party", [relation.party], entity.fields, "field")
            if relation.party in entity.fields and not entity.fields[relation.party].public:
                message = f"{relation.party!r} is not public; people are related as golden records, not by name"
                yield Problem(file, f"relations.{i}.party", message)
        elif relation.field is not None:
            refer = [name for name, rule in entity.fields.items() if rule.options.get("entity")]
            yield from _known(file, f"relations.{i}.field", [relation.field], refer, "reference field")
        if relation.to_keys and len(relation.to_keys) != len(relation.keys):
            yield Problem(file, f"relations.{i}.to_keys", "needs as many expressions as `keys`")
    for i, event in enumerate(entity.lifecycle.events if entity.lifecycle else ()):
        states = entity.lifecycle.states if entity.lifecycle else {}
        yield from _known(file, f"lifecycle.events.{i}", [*event.from_, event.to], states, "state")
        types = {one.type for one in entity.relations} | {one.type for one in entity.succession}
        yield from _known(file, f"lifecycle.events.{i}.relation", [event.relation] if event.relation else [], types)
        if (event.when is None) == (event.relation is None):
            yield Problem(file, f"lifecycle.events.{i}", "needs either `when` or `relation`: what tells of it?")
    for i, comparison in enumerate(entity.comparisons):
        yield from _comparison(file, f"comparisons.{i}", comparison, entity)
    golden = [name for name, rule in entity.fields.items() if rule.golden]
    yield from _known(file, "survivorship.fields", entity.survivorship.fields, golden)
    for i, group in enumerate(entity.survivorship.groups):
        yield from _known(file, f"survivorship.groups.{i}", group, golden)
    yield from _known(file, "limits.shared", entity.limits.shared, entity.fields)
    for key, named in (("quorum", entity.verification.quorum), ("ignore", entity.verification.ignore)):
        yield from _known(file, f"verification.{key}", named, golden)
    if entity.matching.review > entity.matching.accept:
        yield Problem(file, "matching.review", "is above matching.accept; pairs between the two wait for a steward")


def _golden_check(file: str, key: str, sql: str) -> Iterator[Problem]:
    """The problems of a check over golden records; its columns are known only where the tables are."""
    try:
        tree = parsed(sql)
    except SqlglotError as error:
        yield Problem(file, key, f"not SQL: {str(error).splitlines()[0]}")
        return
    if not isinstance(tree, exp.Query):
        yield Problem(file, key, "is no SELECT")
        return
    if "record_id" not in tree.named_selects:
        yield Problem(file, key, "gives no column record_id: which records have the finding?")
    inner = {cte.alias for cte in tree.find_all(exp.CTE)}
    used = {table.name for table in tree.find_all(exp.Table) if table.name and not table.db}
    yield from _known(file, key, sorted(used - inner), PLANNED, "table")


def _field(file: str, name: str, kind: str, options: Mapping[str, Any]) -> Iterator[Problem]:
    if kind not in KINDS:
        yield from _known(file, f"fields.{name}.kind", [kind], KINDS, "kind")
        return
    yield from _known(file, f"fields.{name}.options", options, KINDS[kind].options, "option")
    for option, value in options.items():
        default = KINDS[kind].options.get(option)
        if default is not None and not isinstance(value, type(default)):
            expected = type(default).__name__
            yield Problem(file, f"fields.{name}.options.{option}", f"expected {expected}, found {value!r}")


def _record_sql(entity: Entity, columns: set[str]) -> Iterator[tuple[str, str, set[str]]]:
    later = set(entity.derive)
    for name, sql in entity.derive.items():
        yield f"derive.{name}", sql, columns - later
        later.remove(name)
    if entity.region is not None:
        yield "region", entity.region, columns
    for i, check in enumerate(entity.checks):
        yield f"checks.{i}.when", check.when, columns
    for i, rule in enumerate(entity.blocking):
        for sql in rule.keys:
            yield f"blocking.{i}.keys", sql, columns
        if rule.each is not None:
            yield f"blocking.{i}.each", rule.each, columns
    for i, keys in enumerate(entity.training.em):
        for sql in keys:
            yield f"training.em.{i}", sql, columns
    for i, relation in enumerate(entity.relations):
        for sql in (*relation.keys, *relation.to_keys, relation.when, relation.to_when, relation.since or "null"):
            yield f"relations.{i}", sql, columns | {"since", "until"}
    for i, event in enumerate(entity.lifecycle.events if entity.lifecycle else ()):
        for key, sql in (("when", event.when or "true"), ("on", event.on)):
            yield f"lifecycle.events.{i}.{key}", sql, columns


def _pair_sql(entity: Entity, sides: set[str]) -> Iterator[tuple[str, str, set[str]]]:
    for i, guard in enumerate(entity.guards):
        yield f"guards.{i}.when", guard.when, sides
    for i, comparison in enumerate(entity.comparisons):
        if comparison.null is not None:
            yield f"comparisons.{i}.null", comparison.null, sides
        for j, level in enumerate(comparison.own):
            yield f"comparisons.{i}.own.{j}.when", level.when, sides


def _comparison(file: str, key: str, comparison: ComparisonRule, entity: Entity) -> Iterator[Problem]:
    if (comparison.field is None) == (not comparison.own):
        yield Problem(file, key, "needs either `field` or `own` levels (with `null`)")
    if comparison.own and comparison.null is None:
        yield Problem(file, f"{key}.null", "is missing: when do the two records say nothing here?")
    if comparison.field is None:
        return
    yield from _known(file, f"{key}.field", [comparison.field], entity.fields, "field")
    rule = entity.fields.get(comparison.field)
    if rule is not None and rule.kind in KINDS:
        labels = [level.label for level in KINDS[rule.kind].compare(comparison.field, rule.options).levels]
        yield from _known(file, f"{key}.levels", comparison.levels, labels, "level")


def _sources(rules: EntityRules) -> Iterator[Problem]:
    file, fields, sources = f"{rules.folder.name}/sources.toml", rules.entity.fields, rules.sources.sources
    for name, source in sources.items():
        yield from _known(file, f"sources.{name}.columns", source.columns, fields, "field")
        yield from _known(file, f"sources.{name}.optional", source.optional, source.columns, "mapped field")
        yield from _known(file, f"sources.{name}.sees", source.sees or (), fields, "field")
        refer = {n for n, rule in fields.items() if rule.options.get("entity")}
        yield from _known(file, f"sources.{name}.refers", source.refers, refer, "reference field")
        if source.grouped is not None:
            yield from _known(file, f"sources.{name}.grouped.fields", source.grouped.fields, fields, "field")
        elif not source.key:
            yield Problem(file, f"sources.{name}.key", "is missing: which column(s) identify a row?")
        delivered = source.grouped.fields if source.grouped else source.columns
        for field in sorted(refer & delivered.keys() - source.refers.keys()):
            yield Problem(
                file, f"sources.{name}.refers.{field}", "is missing: keys of which source, or which identifier?"
            )
        if source.derived_from is not None:
            yield from _known(file, f"sources.{name}.derived_from", [source.derived_from], sources, "source")
        if source.period is not None and source.observed_on is None:
            yield Problem(file, f"sources.{name}.observed_on", "is missing: a period needs the column that holds it")
        if source.deleted is not None and source.delivery == "snapshot":
            yield Problem(
                file, f"sources.{name}.deleted", "a snapshot withdraws by absence; only a delta marks deletes"
            )
    for i, row in enumerate(rules.sources.authority):
        if row.regions and rules.entity.region is None:
            yield Problem(file, f"authority.{i}.regions", "needs `region` in entity.toml: where is a record?")
        yield from _known(file, f"authority.{i}.fields", row.fields, fields, "field")
        yield from _known(file, f"authority.{i}.order", row.order, sources, "source")


def _cases(rules: EntityRules) -> Iterator[Problem]:
    for i, case in enumerate(rules.cases):
        for side, record in (("left", case.left), ("right", case.right)):
            yield from _known(
                f"{rules.folder.name}/cases.toml", f"case.{i}.{side}", record, rules.entity.fields, "field"
            )


def _weights(rules: EntityRules) -> Iterator[Problem]:
    if rules.weights is None:
        return
    file = f"{rules.folder.name}/weights.json"
    trained = {
        c["output_column_name"]: {level["label_for_charts"] for level in c["comparison_levels"]}
        for c in rules.weights.get("comparisons", [])
    }
    for comparison in rules.entity.comparisons:
        if comparison.name not in trained:
            yield Problem(file, comparison.name, "comparison without weights; run 'shuyuan train'")
            continue
        for label in sorted(set(level_labels(rules.entity, comparison)) - trained[comparison.name]):
            yield Problem(file, f"{comparison.name}.{label}", "level without weights; run 'shuyuan train'")


def level_labels(entity: Entity, comparison: ComparisonRule) -> list[str]:
    """The labels of a comparison's levels in order, without the null level and `else`."""
    if comparison.field is None:
        return [level.label for level in comparison.own]
    rule = entity.fields[comparison.field]
    labels = [level.label for level in KINDS[rule.kind].compare(comparison.field, rule.options).levels]
    return [label for label in labels if not comparison.levels or label in comparison.levels]


def _sql(file: str, key: str, sql: str, known: set[str], ascii_names: frozenset[str]) -> Iterator[Problem]:
    try:
        tree = parsed(sql)
    except SqlglotError as error:
        yield Problem(file, key, f"not SQL: {str(error).splitlines()[0]}")
        return
    local = {name.name for lambda_ in tree.find_all(exp.Lambda) for name in lambda_.expressions}
    local |= {alias.alias for alias in tree.find_all(exp.Alias)}
    used = sorted({column.name for column in tree.find_all(exp.Column)} - local)
    yield from _known(file, key, used, known, "column")
    for use in bytewise_uses(sql, ascii_names):
        yield Problem(file, key, f"{use} counts bytes, not characters; use a level of the kind")


def _unsided(column: str) -> str:
    return column[:-2] if column.endswith(("_l", "_r")) else column
