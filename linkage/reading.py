"""Files as they come, every cell as text: CSV in any of the usual encodings, XLSX and Parquet.

No type is ever guessed: a float eats the end of an identity number and an integer the zero before a code.
A text file without quotes, blank lines and faults is read block by block by polars; any other row by row by Python's
csv module, which knows the line of every row. Both give the same table; a test compares them. What is read block by
block can be read in parts, too, and so can the row groups of Parquet (see spark/loading.py).
Writes: incoming (line and one VARCHAR column per heading, named c0, c1, …). A row that cannot be read is
given back with its line and reason; a file that cannot be read is refused.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import fastexcel
import pyarrow as pa
import pyarrow.parquet as pq

from rules.errors import InputError

SUFFIXES = (".csv", ".txt", ".tsv", ".xlsx", ".parquet")
_CHUNK = 1 << 24
_ROWS = 100_000
SAMPLE = 1 << 16  # bytes of a file by which its rows are counted beforehand
XLSX_ROW, MOST_IN_SHEET = 15, 1 << 20  # bytes of a row in a compressed sheet, at least; rows, at most
_DELIMITERS = ",\t;|"
csv.field_size_limit(1 << 24)


@dataclass(frozen=True)
class Rejected:
    """A row that did not become a record: its line in the file (1 is the heading), why, and its text."""

    line: int
    reason: str
    raw: str


@dataclass(frozen=True)
class Incoming:
    """What was read: the headings in order, the rows now in table `incoming`, and the rejected ones."""

    headings: tuple[str, ...]
    rows: int
    rejected: tuple[Rejected, ...]


@dataclass(frozen=True)
class Opening:
    """How a text file is written, as its heading and its bytes say; `plain`: nothing speaks yet against blocks."""

    encoding: str
    delimiter: str
    headings: tuple[str, ...]
    plain: bool


@dataclass(frozen=True)
class Part:
    """A part of a file that can be read alone: bytes of a text file, or rows of a Parquet file (then no `opening`)."""

    start: int
    end: int
    opening: Opening | None = None


def read(con: duckdb.DuckDBPyConnection, path: Path) -> Incoming:
    """Read `path` into table `incoming`.

    Raises:
        InputError: no such file, an unknown ending, no heading, or a damaged file.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    match path.suffix.lower():
        case ".csv" | ".txt" | ".tsv":
            return _read_csv(con, path)
        case ".xlsx":
            return _read_xlsx(con, path)
        case ".parquet":
            return _read_parquet(con, path)
    raise InputError(f"{path.name}: unknown ending {path.suffix!r}; expected one of {', '.join(SUFFIXES)}")


def parts(path: Path, size: int) -> tuple[Part, ...]:
    """The parts of about `size` bytes in which a file may be read; none where it can only be read whole.

    Raises:
        InputError: no heading.
    """
    found: list[Part] = []
    if path.suffix.lower() in (".csv", ".txt", ".tsv"):
        opening = _opening(path)
        start, end = _below_heading(path), path.stat().st_size if opening.plain else 0
        with path.open("rb") as file:
            while start < end:
                file.seek(min(start + size, end))
                file.readline()
                found.append(Part(start, file.tell(), opening))
                start = file.tell()
    elif path.suffix.lower() == ".parquet":
        found = _row_groups(path, size)
    return tuple(found) if len(found) > 1 else ()


def read_part(con: duckdb.DuckDBPyConnection, path: Path, part: Part) -> Incoming | None:
    """Read a part into table `incoming`, its first row as line 0; None where rows of it ask for reading the file whole.

    Raises:
        InputError: a damaged file.
    """
    if part.opening is None:
        return _read_parquet(con, path, part)
    if not _fill_plain(con, path, part.opening, part, 0):
        return None
    return Incoming(part.opening.headings, _count(con), ())


def encoding_of(path: Path) -> str:
    """The encoding of a text file, as `_encoding` finds it."""
    return _encoding(path)[0]


def rows_about(path: Path) -> int:
    """About how many rows a file has, without reading it: by its first lines, or by what a Parquet file says of itself.

    Of a file that cannot be read, which is told when it is, anything.
    """
    size = path.stat().st_size
    match path.suffix.lower():
        case ".parquet":
            try:
                return int(pq.read_metadata(path).num_rows)
            except (pa.ArrowException, OSError):
                return 0
        case ".xlsx":
            return min(size // XLSX_ROW, MOST_IN_SHEET)
        case _:
            with path.open("rb") as file:
                head = file.read(SAMPLE)
            return size * (head.count(b"\n") + 1) // max(len(head), 1)


def _encoding(path: Path) -> tuple[str, bool]:
    """The encoding of a text file, and whether every byte fits: UTF-16 where the file says so, UTF-8 where every byte
    fits, else GB18030, else the one with fewer faults."""
    with path.open("rb") as file:
        if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return "utf-16", False
    faults = {}
    for encoding in ("utf-8-sig", "gb18030"):
        faults[encoding] = _faults(path, encoding)
        if not faults[encoding]:
            return encoding, True
    return min(faults, key=lambda name: (faults[name], name != "utf-8-sig")), False


def _faults(path: Path, encoding: str) -> int:
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    count = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            count += decoder.decode(chunk).count("\ufffd")
    return count + decoder.decode(b"", True).count("\ufffd")


def _read_csv(con: duckdb.DuckDBPyConnection, path: Path) -> Incoming:
    opening = _opening(path)
    if opening.plain and _fill_plain(con, path, opening, Part(_below_heading(path), path.stat().st_size), 2):
        return Incoming(opening.headings, _count(con), ())
    rejected: list[Rejected] = []
    with path.open(encoding=opening.encoding, errors="surrogateescape", newline="") as file:
        reader = csv.reader(file, delimiter=opening.delimiter)
        next(reader, [])
        width = len(opening.headings)
        rows = _fill(con, width, _good_rows(reader, width, opening.encoding, rejected))
    return Incoming(opening.headings, rows, tuple(rejected))


def _opening(path: Path) -> Opening:
    encoding, sound = _encoding(path)
    with path.open(encoding=encoding, errors="surrogateescape", newline="") as file:
        first = file.readline()
        delimiter = max(_DELIMITERS, key=lambda d: (first.count(d), -_DELIMITERS.index(d)))
        file.seek(0)
        reader = csv.reader(file, delimiter=delimiter)
        headings = _headings(path, next(reader, []))
        return Opening(encoding, delimiter, headings, sound and reader.line_num == 1)


def _below_heading(path: Path) -> int:
    """Where the second line of a file begins, in bytes."""
    with path.open("rb") as file:
        file.readline()
        return file.tell()


def _fill_plain(con: duckdb.DuckDBPyConnection, path: Path, opening: Opening, part: Part, line: int) -> bool:
    """Read the rows of a part into `incoming`, the first as `line`; False where it is not plain (nothing is kept then).

    Plain: no quotes, no blank lines, no lone carriage returns, as many cells in every row as in the heading.
    """
    encoding, delimiter, width = opening.encoding, opening.delimiter, len(opening.headings)
    _create_incoming(con, width)
    left, rest = part.end - part.start, b""
    with path.open("rb") as file:
        file.seek(part.start)
        while chunk := file.read(min(_CHUNK, left)):
            left -= len(chunk)
            block, newline, rest = (rest + chunk).rpartition(b"\n")
            if newline and not (read := _plain_block(con, block, encoding, delimiter, width, line)):
                return False
            line += read if newline else 0
    return not rest or bool(_plain_block(con, rest, encoding, delimiter, width, line))


def _plain_block(
    con: duckdb.DuckDBPyConnection, block: bytes, encoding: str, delimiter: str, width: int, line: int
) -> int:
    """Append the rows of one block, the first of which stands in `line`; gives how many, 0 where it is not plain."""
    text = (
        (block if encoding != "gb18030" else block.decode(encoding).encode())
        .replace(b"\r\n", b"\n")
        .removesuffix(b"\r")
    )
    rows = text.count(b"\n") + 1
    odd = b'"' in text or b"\r" in text or b"\n\n" in text or text.startswith(b"\n") or text.endswith(b"\n") or not text
    if odd or text.count(delimiter.encode()) != rows * (width - 1):
        return 0
    import polars as pl  # a quarter of the start of every command, of which few read text files

    try:
        frame = pl.read_csv(
            text,
            has_header=False,
            separator=delimiter,
            quote_char=None,
            infer_schema=False,
            new_columns=[f"c{i}" for i in range(width)],
            empty_string_is_null=False,
        )
    except pl.exceptions.PolarsError:
        return 0
    if frame.shape != (rows, width):
        return 0
    con.register("incoming_batch", frame.with_row_index("line", line).to_arrow())
    con.execute("insert into incoming select * from incoming_batch")
    con.unregister("incoming_batch")
    return rows


def _good_rows(
    reader: Iterator[list[str]], width: int, encoding: str, rejected: list[Rejected]
) -> Iterator[tuple[int, list[str]]]:
    start = reader.line_num + 1  # type: ignore[attr-defined]
    for row in reader:
        line, start = start, reader.line_num + 1  # type: ignore[attr-defined]
        if not row:
            continue
        text = ",".join(row)
        if not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text):
            raw = text.encode("utf-8", "backslashreplace").decode()
            rejected.append(Rejected(line, f"bytes that are not {encoding}", raw))
        elif len(row) != width:
            rejected.append(Rejected(line, f"{len(row)} cells where the heading has {width}", text))
        else:
            yield line, row


def _read_xlsx(con: duckdb.DuckDBPyConnection, path: Path) -> Incoming:
    try:
        sheet = fastexcel.read_excel(str(path)).load_sheet(0, header_row=None, dtypes="string")
        table = sheet.to_arrow()
    except Exception as error:
        raise InputError(f"{path.name}: not a readable XLSX file ({error}); export it again") from error
    columns = [column.to_pylist() for column in table.columns]
    grid = zip(*columns, strict=True)
    headings = _headings(path, ["" if cell is None else cell for cell in next(grid, ())])
    cells = ((n, ["" if cell is None else cell for cell in row]) for n, row in enumerate(grid, start=2))
    return Incoming(headings, _fill(con, len(headings), ((n, row) for n, row in cells if any(row))), ())


def _read_parquet(con: duckdb.DuckDBPyConnection, path: Path, part: Part | None = None) -> Incoming:
    try:
        described = con.execute("describe select * from read_parquet(?)", [str(path)]).fetchall()
        headings = _headings(path, [str(row[0]) for row in described])
        columns = "".join(f', "{row[0]}"::varchar as c{i}' for i, row in enumerate(described))
        line, some = "file_row_number + 2", ""
        if part is not None:
            line = f"file_row_number - {part.start}"
            some = f" where file_row_number >= {part.start} and file_row_number < {part.end}"
        con.execute(
            f"create or replace temp table incoming as select {line} as line{columns} "
            f"from read_parquet(?, file_row_number = true){some}",
            [str(path)],
        )
    except duckdb.Error as error:
        raise InputError(f"{path.name}: not a readable Parquet file ({error}); deliver it again") from error
    return Incoming(headings, _count(con), ())


def _row_groups(path: Path, size: int) -> list[Part]:
    """The rows of a Parquet file, group by group, small ones together; none where it cannot be told."""
    try:
        metadata = pq.read_metadata(path)
    except (OSError, pa.ArrowInvalid):
        return []
    found: list[Part] = []
    start = end = held = 0
    for i in range(metadata.num_row_groups):
        group = metadata.row_group(i)
        end, held = end + group.num_rows, held + group.total_byte_size
        if held >= size or i == metadata.num_row_groups - 1:
            found.append(Part(start, end))
            start, held = end, 0
    return found


def _headings(path: Path, row: list[str]) -> tuple[str, ...]:
    headings = tuple(cell.strip().lstrip("\ufeff").strip('"') for cell in row)
    if any("\ud800" <= c <= "\udfff" for heading in headings for c in heading):
        raise InputError(f"{path.name} line 1: bytes that are neither UTF-8 nor GB18030; save the file as UTF-8")
    if not any(headings):
        raise InputError(f"{path.name} line 1: no heading; expected the names of the columns")
    twice = sorted({name for name in headings if headings.count(name) > 1})
    if twice:
        raise InputError(f"{path.name} line 1: heading {twice[0]!r} stands there twice; name each column once")
    return headings


def _fill(con: duckdb.DuckDBPyConnection, width: int, rows: Iterator[tuple[int, list[str]]]) -> int:
    _create_incoming(con, width)
    schema = pa.schema([("line", pa.int64()), *((f"c{i}", pa.string()) for i in range(width))])
    lines: list[int] = []
    cells: list[list[str]] = []

    def flush() -> None:
        if lines:
            arrays = [
                pa.array(lines, pa.int64()),
                *(pa.array(c, pa.string()) for c in zip(*cells, strict=True)),
            ]
            batch = pa.table(arrays, schema=schema)
            con.register("incoming_batch", batch)
            con.execute("insert into incoming select * from incoming_batch")
            con.unregister("incoming_batch")
            lines.clear()
            cells.clear()

    for line, row in rows:
        lines.append(line)
        cells.append(row)
        if len(lines) == _ROWS:
            flush()
    flush()
    return _count(con)


def _create_incoming(con: duckdb.DuckDBPyConnection, width: int) -> None:
    columns = "".join(f", c{i} varchar" for i in range(width))
    con.execute(f"create or replace temp table incoming (line bigint{columns})")


def _count(con: duckdb.DuckDBPyConnection) -> int:
    return int(con.execute("select count(*) from incoming").fetchall()[0][0])
