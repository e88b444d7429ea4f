"""The values that more records of one source have than can be: a source that went wrong, named before it is believed.

Reads: standard, value_<field>. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import duckdb

from linkage.sql import rows
from linkage.values import NTH
from rules.columns import quote
from rules.masking import mask_value
from rules.model import Entity


def crowded(con: duckdb.DuckDBPyConnection, entity: Entity) -> Iterator[str]:
    """The sources of which more records than `limits.shared` allows have one value, in sentences.

    A sentence names the source, how many records they are, and the value that most of them have, masked.
    """
    for field, most in entity.limits.shared.items():
        nth, value = quote(f"{field}__{NTH}"), quote("value_" + field)
        found = rows(
            con,
            f"""
            with said as (
              select source, {nth} as nth, count(*) as n from standard where {nth} is not null
              group by all having n > $most
            )
            select source, arg_max(value, (n, value)), max(n), count(*) from said join {value} using ({NTH})
            where value is not null group by source order by 3 desc, source""",
            most=most,
        )
        for source, text, records, values in found:
            shown = mask_value(entity, field, str(text))
            others = f", and as many share {int(str(values)) - 1:,} other values" if int(str(values)) > 1 else ""
            yield (
                f"{entity.entity}: {int(str(records)):,} records of source {source} have one {field}, {shown} "
                f"(limit {most:,}){others}; ask its owner before they are believed"
            )
