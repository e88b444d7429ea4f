"""The packed store: what the kernel has read of an entity type, kept on disk and mapped into memory.

    index.json           what it was made with, its segments in order, the hubs of every blocking rule
    frequency.arrow      by column that adjusts weights: values, their hashes in order, counts
    known_<field>.arrow  what texts that several records said at the time mean (value_<field>), by a hash of the text
    <n>/columns.arrow    segment n: one array per column, the values of every domain, who the records are
    <n>/rule_<i>.arrow   segment n: the words of blocking rule i, in order
    <n>/gone.arrow       segment n: the records of earlier segments that count no more

A word is 64 bits: the high bits of a mix of the keys of a record, then its ordinal. Records of one block stand side by
side, and two searches find them; a few others may stand among them, so that who looks compares the keys again.

A segment never changes. What a later run changed is a further segment of the records that came, with the numbers of
those that went: a record counts where no later segment names it. Segments can therefore be linked into a release.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from linkage.frequencies import hubs_sql, total
from linkage.kernel.blocks import Rule, held, null_of
from linkage.kernel.columns import Columns, Domain, Floats, Hashes, Ints, Lists, Reader
from linkage.kernel.match import Compiled, Kernel, reading
from linkage.kernel.weights import frequency_of
from linkage.sql import rows
from linkage.values import NTH, code_sql
from linkage.workspace import write_atomically
from rules.columns import quote
from rules.errors import RefusedError
from rules.kinds.base import literal
from rules.model import Entity, EntityRules

FORMAT = 1
INDEX = "index.json"
# When a store is written whole again: a search looks into every segment.
SHARE = 0.2
MOST_SEGMENTS = 12
Words = NDArray[np.uint64]
Array = Any  # of NumPy or Arrow
# Odd numbers of SplitMix64 (Steele, Lea & Flood 2014).
ADD, MULTIPLY = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)
HALF = np.uint64(31)


def mixed(keys: Sequence[NDArray[np.integer]]) -> Words:
    """64 bits out of the keys of every record."""
    found = np.zeros(keys[0].size, dtype=np.uint64)
    for key in keys:
        found = (found ^ key.astype(np.int64).view(np.uint64)) + ADD
        found = (found ^ (found >> HALF)) * MULTIPLY
    return found ^ (found >> HALF)


@dataclass(frozen=True)
class Values:
    """Some values with their DuckDB hashes in order: `code[i]` is the code of the value with `hashes[i]`."""

    texts: pa.Array
    hashes: Hashes
    code: Ints | None

    def __len__(self) -> int:
        return len(self.texts)

    def find(self, hashed: int, value: object) -> int | None:
        """The code of a value, None where it is not among these."""
        low = int(np.searchsorted(self.hashes, np.uint64(hashed)))
        while low < self.hashes.size and int(self.hashes[low]) == hashed:
            code = low if self.code is None else int(self.code[low])
            if self.texts[code].as_py() == value:
                return code
            low += 1
        return None


@dataclass(frozen=True)
class Segment:
    """Some records, ready to be searched.

    columns    as the kernel has them
    values     SQL of a code or list column -> the values of its domain
    frequency  SQL of an adjusting column -> frequency by code, 0 at the end
    words      by blocking rule
    """

    columns: Columns
    values: dict[str, Values]
    frequency: dict[str, Floats]
    words: tuple[Words, ...]
    record_id: Ints
    source: pa.Array
    source_key: pa.Array
    gone: Ints

    @cached_property
    def mask(self) -> np.uint64:
        """The bits of a word that hold the ordinal."""
        return np.uint64((1 << bits(self.columns.count)) - 1)


def bits(count: int) -> int:
    """How many bits the ordinals of so many records take."""
    return max(count - 1, 1).bit_length()


@dataclass(frozen=True)
class Made:
    """What a store was made with: what must be known to read it and to weigh by it.

    basis     a hash of program, rules and frequencies
    as_of     the day as of which texts were read
    standard  the columns of `standard` with their types
    records   the records at the time of freezing
    hubs      the texts of the frozen hubs, by blocking rule
    segments  number and records of each
    """

    basis: str
    as_of: str
    duckdb: str
    standard: dict[str, str]
    records: int
    hubs: tuple[tuple[str, ...], ...]
    segments: tuple[tuple[int, int], ...]
    format: int = FORMAT

    @property
    def outgrown(self) -> bool:
        """Whether so much was added that one segment should be made of all."""
        (_, base), *later = self.segments
        return len(later) >= MOST_SEGMENTS or sum(count for _, count in later) > SHARE * base

    @classmethod
    def read(cls, folder: Path) -> Made | None:
        """What stands in a folder; None where there is nothing that this program can read."""
        path = folder / INDEX
        if not path.exists():
            return None
        said = json.loads(path.read_text(encoding="utf-8"))
        if said.get("format") != FORMAT or said.get("duckdb") != duckdb.__version__:
            return None
        return cls(**{**said, **{name: tuple(tuple(one) for one in said[name]) for name in ("hubs", "segments")}})

    def write(self, folder: Path) -> None:
        write_atomically(folder / INDEX, json.dumps(vars(self), ensure_ascii=False))


class OnDisk:
    """What a store is written of where no kernel matched: the same columns, of which one domain at a time is in memory.

    The others are in files of `folder`, mapped, and may be let go of by the system; values are anyway (`Domain.aside`).
    """

    def __init__(self, con: duckdb.DuckDBPyConnection, entity: Entity, folder: Path) -> None:
        folder.mkdir(mode=0o700)
        self.compiled = Compiled.of(con, entity)
        reader = Reader(con, entity)
        read = reader.columns
        self.columns = Columns(read.count, domains=read.domains, types=read.types)
        for n, _ in enumerate(reading(reader, self.compiled.needed)):
            path = folder / f"{n}.arrow"
            write_arrays(path, _arrays(read), {})
            _fill(self.columns, read_arrays(path)[0])
            for moved in (read.codes, read.numbers, read.lists):
                moved.clear()
            reader.forget()
        self.frequency = {column: frequency_of(con, self.columns, column) for column in self.compiled.adjusted}


def write(
    con: duckdb.DuckDBPyConnection, rules: EntityRules, kernel: Kernel | None, folder: Path, basis: str, as_of: date
) -> None:
    """Write the store of all of `standard` as of a day, in the place of the one that is there.

    `kernel` is what read it; without one it is read here, within the memory of a domain.
    """
    making = folder.with_name(f".{folder.name}.making")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True, mode=0o700)
    aside = making / "aside"
    read = kernel or OnDisk(con, rules.entity, aside)
    _write_frequency(con, read.compiled.adjusted, making / "frequency.arrow")
    for field in rules.entity.fields:
        _write_known(con, field, making / f"known_{field}.arrow")
    _write_segment(con, read, making / "0", gone=())
    described = con.execute("describe standard").fetchall()
    hubs = tuple(
        tuple(sorted(str(value) for (value,) in rows(con, hubs_sql(rule)))) if rule.cap is not None else ()
        for rule in rules.entity.blocking
    )
    standard = {str(name): str(sql_type) for name, sql_type, *_ in described}
    segments = ((0, read.columns.count),)
    shutil.rmtree(aside, ignore_errors=True)
    Made(basis, str(as_of), duckdb.__version__, standard, total(con), hubs, segments).write(making)
    shutil.rmtree(folder, ignore_errors=True)
    making.rename(folder)


def append(con: duckdb.DuckDBPyConnection, kernel: Kernel, folder: Path, gone: Iterable[int]) -> None:
    """Add a segment of the records that `kernel` read; `gone` are those that no earlier segment speaks for any more."""
    made = Made.read(folder)
    if made is None:
        return
    n = made.segments[-1][0] + 1
    shutil.rmtree(folder / str(n), ignore_errors=True)
    _write_segment(con, kernel, folder / str(n), gone)
    Made(**{**vars(made), "segments": (*made.segments, (n, kernel.columns.count))}).write(folder)


def open_store(folder: Path, compiled: Compiled) -> tuple[Made, list[Segment]]:
    """The segments of a store, oldest first.

    Raises:
        RefusedError: there is none, or another version of the program made it.
    """
    made = Made.read(folder)
    if made is None:
        raise RefusedError(f"there is no match index in {folder} that this version can read; run 'shuyuan link --full'")
    return made, [_open_segment(folder / str(n), compiled) for n, _ in made.segments]


def open_frequency(folder: Path) -> dict[str, tuple[Values, Ints, int]]:
    """By adjusting column: the values that were counted, their counts, and the number of non-null values."""
    arrays, said = read_arrays(folder / "frequency.arrow")
    return {
        column: (
            Values(arrays[f"{column}/value"], _numpy(arrays[f"{column}/hash"]), None),
            _numpy(arrays[f"{column}/count"]),
            of,
        )
        for column, of in said["totals"].items()
    }


@dataclass(frozen=True)
class Known:
    """What some texts of a field mean: `columns` of value_<field> by place, `hashes` of the texts in order."""

    hashes: Hashes
    columns: dict[str, pa.Array]

    @classmethod
    def open(cls, folder: Path, field: str) -> Known:
        columns, _ = read_arrays(folder / f"known_{field}.arrow")
        return cls(_numpy(columns.pop("hash")), columns)

    def find(self, text: str) -> dict[str, Any] | None:
        """The row of a text, None where it is not known."""
        hashed = int.from_bytes(hashlib.md5(text.encode(), usedforsecurity=False).digest()[8:], "little")
        at = int(np.searchsorted(self.hashes, np.uint64(hashed)))
        if at < self.hashes.size and int(self.hashes[at]) == hashed and self.columns["raw"][at].as_py() == text:
            return {name: column[at].as_py() for name, column in self.columns.items()}
        return None


def _write_known(con: duckdb.DuckDBPyConnection, field: str, path: Path) -> None:
    """Keep what several records say: whoever is searched for mostly says what others say, and reading it is dear."""
    value, nth = quote("value_" + field), quote(f"{field}__{NTH}")
    found = con.sql(
        f"select {code_sql('raw')} as hash, * exclude ({NTH}) from {value} where {NTH} in "
        f"(select {nth} from standard where {nth} is not null group by {nth} having count(*) > 1) order by hash"
    ).to_arrow_table()
    # What stands under a null is anything in what DuckDB gives, and nought in what is taken from it: the same bytes.
    every = pa.array(np.arange(found.num_rows))
    write_arrays(path, {name: found.column(name).combine_chunks().take(every) for name in found.column_names}, {})


def _write_frequency(con: duckdb.DuckDBPyConnection, adjusted: Sequence[str], path: Path) -> None:
    arrays: dict[str, Array] = {}
    totals: dict[str, int] = {}
    for column in adjusted:
        named = f"name = {literal(column)}"
        found = con.sql(
            f"select value, hash(value) as hash, count from frequency where kind = 'tf' and {named} "
            "order by hash, value"
        ).to_arrow_table()
        arrays[f"{column}/value"] = found.column("value").combine_chunks()
        arrays[f"{column}/hash"] = found.column("hash").to_numpy()
        arrays[f"{column}/count"] = found.column("count").to_numpy()
        ((counted,),) = con.execute(
            f"select coalesce(max(count), 0) from frequency where kind = 'total' and {named}"
        ).fetchall()
        totals[column] = max(1, counted)
    write_arrays(path, arrays, {"totals": totals})


def _write_segment(con: duckdb.DuckDBPyConnection, read: Kernel | OnDisk, folder: Path, gone: Iterable[int]) -> None:
    folder.mkdir(mode=0o700)
    columns = read.columns
    who = con.sql("select record_id, source, source_key from standard order by ordinal").to_arrow_table()
    arrays: dict[str, Array] = {
        "record_id": who.column("record_id").to_numpy(),
        "source": who.column("source").combine_chunks(),
        "source_key": who.column("source_key").combine_chunks(),
    }
    arrays |= _arrays(columns)
    arrays |= {f"frequency {sql}": values for sql, values in read.frequency.items()}
    domains: dict[int, int] = {}
    of: dict[str, int] = {}
    for sql, domain in columns.domains.items():
        i = of[sql] = domains.setdefault(id(domain), len(domains))
        if f"texts {i}" not in arrays:
            texts, hashes, code = _hashed(con, domain)
            arrays |= {f"texts {i}": texts, f"hashes {i}": hashes}
            arrays |= {} if code is None else {f"of {i}": code}
    write_arrays(folder / "columns.arrow", arrays, {"count": columns.count, "types": columns.types, "domains": of})
    for i, rule in enumerate(read.compiled.rules):
        write_arrays(folder / f"rule_{i}.arrow", {"words": _words(columns, rule)}, {})
    write_arrays(folder / "gone.arrow", {"record_id": np.array(sorted(gone), dtype=np.int64)}, {})


def _arrays(columns: Columns) -> dict[str, Array]:
    """The arrays of columns, under names that say what they are."""
    arrays: dict[str, Array] = {f"code {sql}": values for sql, values in columns.codes.items()}
    arrays |= {f"number {sql}": values for sql, values in columns.numbers.items()}
    for sql, lists in columns.lists.items():
        arrays |= {f"{part} {sql}": getattr(lists, part) for part in ("start", "length", "items")}
    return arrays


def _fill(columns: Columns, arrays: Mapping[str, pa.Array]) -> None:
    """Take up the arrays that `_arrays` named."""
    lists: list[str] = []
    for name, array in arrays.items():
        sort, _, sql = name.partition(" ")
        if sort == "code":
            columns.codes[sql] = _numpy(array)
        elif sort == "number":
            columns.numbers[sql] = _numpy(array)
        elif sort == "start":
            lists.append(sql)
    for sql in lists:
        columns.lists[sql] = Lists(*(_numpy(arrays[f"{part} {sql}"]) for part in ("start", "length", "items")))


def _hashed(con: duckdb.DuckDBPyConnection, domain: Domain) -> tuple[pa.Array, Hashes, Ints | None]:
    """The values of a domain by code, their hashes in order, and the codes in that order where it is another."""
    texts, hashes = domain.values, domain.hashes
    if hashes.size != len(texts):  # a domain of values that are no texts was coded without hashes
        con.register("kernel_domain", pa.table({"code": np.arange(len(texts)), "value": texts}))
        try:
            found = con.execute("select hash(value) as hash from kernel_domain order by code").fetchnumpy()
        finally:
            con.unregister("kernel_domain")
        hashes = found["hash"].astype(np.uint64)
    if (hashes[1:] > hashes[:-1]).all():
        return texts, hashes, None
    order = np.argsort(hashes, kind="stable")
    return texts, hashes[order], order


def _words(columns: Columns, rule: Rule) -> Words:
    """The words of the records of which a blocking rule knows all keys, in order."""
    record = np.arange(columns.count, dtype=np.int64)
    keys = [held(columns, key) for key in rule.keys]
    if rule.elements is not None:
        lists = columns.lists[rule.elements]
        record = np.repeat(record, np.maximum(lists.length, 0))
        keys = [*(key[record] for key in keys), lists.items]
    known = np.ones(record.size, dtype=np.bool_)
    for key in keys:
        known &= key != null_of(key)
    low = np.uint64((1 << bits(columns.count)) - 1)
    words = (mixed([key[known] for key in keys]) & ~low) | record[known].astype(np.uint64)
    words.sort()
    return words


def _open_segment(folder: Path, compiled: Compiled) -> Segment:
    arrays, said = read_arrays(folder / "columns.arrow")
    columns = Columns(said["count"], types=said["types"])
    _fill(columns, arrays)
    known: dict[int, Values] = {}
    for i in said["domains"].values():
        if i not in known:
            order = arrays.get(f"of {i}")
            hashes = _numpy(arrays[f"hashes {i}"])
            known[i] = Values(arrays[f"texts {i}"], hashes, None if order is None else _numpy(order))
    return Segment(
        columns,
        {sql: known[i] for sql, i in said["domains"].items()},
        {sql: _numpy(arrays[f"frequency {sql}"]) for sql in compiled.adjusted},
        tuple(_numpy(read_arrays(folder / f"rule_{i}.arrow")[0]["words"]) for i in range(len(compiled.rules))),
        _numpy(arrays["record_id"]),
        arrays["source"],
        arrays["source_key"],
        _numpy(read_arrays(folder / "gone.arrow")[0]["record_id"]),
    )


def write_arrays(path: Path, arrays: Mapping[str, Array], said: Mapping[str, Any]) -> None:
    """Write arrays of any length and `said` (JSON) into one Arrow file: a single row in which each array is a list."""
    columns = {}
    for name, array in arrays.items():
        values = array if isinstance(array, pa.Array) else pa.array(array)
        columns[name] = pa.LargeListArray.from_arrays(pa.array([0, len(values)], type=pa.int64()), values)
    schema = pa.schema([pa.field(name, one.type) for name, one in columns.items()], metadata={"said": json.dumps(said)})
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema) as writer:
        writer.write_batch(pa.record_batch(list(columns.values()), schema=schema))


def read_arrays(path: Path) -> tuple[dict[str, pa.Array], dict[str, Any]]:
    """What `write_arrays` wrote, mapped into memory and not copied."""
    with pa.memory_map(str(path)) as file, pa.ipc.open_file(file) as reader:
        batch = reader.get_batch(0)
        said = json.loads(reader.schema.metadata[b"said"])
        return {name: batch.column(i).flatten() for i, name in enumerate(reader.schema.names)}, said


def _numpy(array: pa.Array) -> Any:
    return array.to_numpy(zero_copy_only=True)
