"""Free text: equal after Unicode compatibility folding, case and white space.

Han text has no further levels, because DuckDB's string distances count bytes. `script = "latin"` adds an
ASCII column, on which bytes are characters and Jaro-Winkler (Winkler 1990) says what it should.
"""

from __future__ import annotations

from rules.kinds.base import Comparison, Kind, Level, Options, literal

# Full-width forms and the ideographic space as their ordinary ones (the part of NFKC that texts need).
WIDE = "".join(chr(0xFF01 + i) for i in range(94)) + "\u3000"
NARROW = "".join(chr(0x21 + i) for i in range(94)) + " "


def swap(text: str, written: str, read: str) -> str:
    """SQL: characters replaced one by one. TRANSLATE is called for no text that has none of them: it is dear."""
    some = "[" + "".join(f"\\x{{{ord(c):X}}}" for c in written) + "]"
    return f"""case when regexp_matches({text}, '{some}')
        then translate({text}, {literal(written)}, {literal(read)}) else {text} end"""


class Text(Kind):
    """The kind `text`."""

    def parse(self, raw: str, options: Options) -> str:
        # What most columns of text hold needs nothing but lower case: letters, digits, hyphens, usual Han characters.
        return f"""
        with told as (select raw, regexp_full_match(raw, '[0-9A-Za-z\\x{{4E00}}-\\x{{9FFF}}-]+') as plain from {raw}
        ), clean as (select raw, plain, case when plain then raw else regexp_replace(
            trim({swap("raw", WIDE, NARROW)}), '\\s+', ' ', 'g') end as value from told)
        select raw, nullif(value, '') as value,
               case when plain then lower(raw) else nullif(lower(nfc_normalize(value)), '') end as key,
               nullif(trim(regexp_replace(lower(strip_accents(value)), '[^a-z0-9 ]+', ' ', 'g')), '') as ascii,
               []::varchar[] as findings
        from clean"""

    def compare(self, column: str, options: Options) -> Comparison:
        levels = [Level("exact", f"{column}__key_l = {column}__key_r", f"{column}__key")]
        if options.get("script") == "latin":
            similarity = f"jaro_winkler_similarity({column}__ascii_l, {column}__ascii_r)"
            levels += [Level("close", f"{similarity} >= 0.92"), Level("similar", f"{similarity} >= 0.8")]
        return Comparison(f"{column}__key_l is null or {column}__key_r is null", tuple(levels))

    def mask(self, value: str) -> str:
        return value[: min(6, len(value) // 2)] + "…"


TEXT = Text(name="text", columns={"ascii": "VARCHAR"}, options={"script": "han"}, ascii=frozenset({"ascii"}))
