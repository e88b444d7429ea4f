"""Finds in a packed store the records that share a block with any of a batch.

Reads: newcomer, frequency (hubs), the store. Writes nothing.

The keys of the batch become codes of a segment and words of its blocking rules, and two searches for each give a block.
What that costs depends on the batch, and hardly on how many records the segment holds.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from linkage.frequencies import ITEM, block_known, block_source, block_text, hubs_sql
from linkage.kernel.blocks import Rule
from linkage.kernel.columns import Ints
from linkage.kernel.match import Compiled
from linkage.kernel.store import Made, Segment, Values, mixed, open_store
from rules.model import Entity

UNKNOWN = -1  # stands for the code of a value that no record of a segment has


def partners(con: duckdb.DuckDBPyConnection, entity: Entity, folder: Path) -> Ints | None:
    """The record_id of every record in the store of `folder` that shares a block of a rule with one of `newcomer`.

    A few that do not may be among them, for only words are compared, and records that count no more. None where there
    is no store that this version can read.
    """
    if Made.read(folder) is None:
        return None
    compiled = Compiled.of(con, entity)
    _, segments = open_store(folder, compiled)
    found = [np.zeros(0, dtype=np.int64)]
    for i, rule in enumerate(compiled.rules):
        blocks = con.sql(_blocks_sql(rule, compiled)).to_arrow_table()
        found += [segment.record_id[_members(segment, i, rule, blocks)] for segment in segments]
    return np.unique(np.concatenate(found))


def _blocks_sql(rule: Rule, compiled: Compiled) -> str:
    """SQL of the blocks in which `newcomer` stands, without frozen hubs: keys k0, k1 …, the hashes of texts h0, h1 …"""
    said = rule.rule
    keys = [*rule.keys, *([f"cast({ITEM} as varchar)"] if said.each else [])]
    chosen = [f"({key}) as k{i}" for i, key in enumerate(keys)]
    chosen += [f"hash({key}) as h{i}" for i, key in enumerate(keys) if key not in compiled.needed.numbers]
    spared = f" and ({block_text(said)}) not in ({hubs_sql(said)})" if said.cap is not None else ""
    source = block_source(said, "newcomer")
    return f"select distinct {', '.join(chosen)} from {source} where {block_known(said)}{spared}"


def _members(segment: Segment, number: int, rule: Rule, blocks: pa.Table) -> Ints:
    """The ordinals in a segment of the records that stand in some blocks of a rule."""
    columns = [*rule.keys, *([rule.elements] if rule.elements else [])]
    keys: list[NDArray[np.int64]] = []
    known = np.ones(len(blocks), dtype=np.bool_)
    for i, sql in enumerate(columns):
        said = blocks.column(f"k{i}").combine_chunks()
        if f"h{i}" in blocks.column_names:
            keys.append(_codes(segment.values[sql], blocks.column(f"h{i}").to_numpy(), said))
            known &= keys[-1] != UNKNOWN
        else:
            keys.append(said.to_numpy().astype(np.int64))
    words = mixed([key[known] for key in keys]) & ~segment.mask
    held = segment.words[number]
    low, high = np.searchsorted(held, words), np.searchsorted(held, words | segment.mask, side="right")
    size = high - low
    place = np.arange(int(size.sum())) + np.repeat(low - (np.cumsum(size) - size), size)
    ordinals: Ints = (held[place] & segment.mask).astype(np.int64)
    return ordinals


def _codes(values: Values, hashes: NDArray[np.uint64], said: pa.Array) -> NDArray[np.int64]:
    """The codes of values among those of a segment, UNKNOWN for others."""
    codes = np.full(hashes.size, UNKNOWN, dtype=np.int64)
    at = np.searchsorted(values.hashes, hashes)
    near = np.flatnonzero(at < values.hashes.size)
    near = near[values.hashes[at[near]] == hashes[near]]
    first = at[near] if values.code is None else values.code[at[near]]
    same = pc.equal(values.texts.take(pa.array(first)).cast(said.type), said.take(pa.array(near)))
    equal = same.to_numpy(zero_copy_only=False).astype(np.bool_)
    codes[near[equal]] = first[equal]
    for i in near[~equal]:  # another value has the same hash
        found = values.find(int(hashes[i]), said[int(i)].as_py())
        codes[i] = UNKNOWN if found is None else found
    return codes
