"""Hands a release's golden records out as one file, for a stated purpose that the audit trail keeps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import duckdb

from golden_records.query import Release
from golden_records.segments import has_table, table_sql
from linkage.audit_trail import AuditTrail
from rules.columns import quote
from rules.errors import NotFoundError, RefusedError

FIXED = ("golden_id", "lifecycle", "valid_from", "last_seen", "valid_to", "records")


def export(
    release: Release,
    entity: str,
    target: Path,
    purpose: str,
    trail: AuditTrail,
    form: Literal["parquet", "csv"] = "parquet",
    fields: Sequence[str] = (),
) -> int:
    """Write the golden records of `entity` to `target`; gives how many. Some `fields`, or all of them.

    Raises:
        NotFoundError: the release lacks the entity type or a field.
        RefusedError: no purpose was stated, or the file exists.
    """
    if not purpose.strip():
        raise RefusedError("an export needs a purpose; say it with --purpose")
    if target.exists():
        raise RefusedError(f"{target} exists; choose another name")
    folder = release.folder / entity
    if not has_table(folder, "golden"):
        raise NotFoundError(f"release {release.manifest.release} has no entity type {entity!r}")
    con, golden = duckdb.connect(), table_sql(folder, "golden")
    known = [row[0] for row in con.execute(f"describe select * from {golden}").fetchall()]
    unknown = [name for name in fields if name not in known]
    if unknown:
        raise NotFoundError(f"{entity} has no field {unknown[0]!r}; known are {', '.join(known)}")
    columns = ", ".join(quote(name) for name in ([*FIXED, *fields] if fields else known))
    where = str(target).replace("'", "''")
    how = "format parquet, compression zstd" if form == "parquet" else "format csv, header"
    con.execute(f"copy (select {columns} from {golden} order by golden_id) to '{where}' ({how})")
    target.chmod(0o600)
    rows = int(con.execute(f"select count(*) from {golden}").fetchall()[0][0])
    con.close()
    detail = {"entity": entity, "release": release.manifest.release, "purpose": purpose, "rows": rows}
    trail.append("export", detail | {"file": target.name, "fields": list(fields) or known})
    return rows
