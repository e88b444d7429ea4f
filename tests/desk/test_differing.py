"""Marks of the characters in which two values differ, masked or not."""

from __future__ import annotations

import pytest

from desk.differing import marked


@pytest.mark.parametrize(
    ("left", "right", "shown", "told"),
    [
        ("沈青禾", "沈青和", None, ("沈青[禾]", "沈青[和]")),
        ("沈青禾", "沈青和", ("沈**", "沈**"), ("沈*[*]", "沈*[*]")),
        ("154000", "15400", None, ("15400[0]", "15400")),
        ("东风号", "东风轮", ("东…", "东…"), ("[东…]", "[东…]")),
        ("东风号", "海鸥轮", ("东…", "海…"), ("[东]…", "[海]…")),
        ("19680409", "1968-04-18", ("1968****", "1968-**-**"), ("1968**[**]", "1968-**-[**]")),
        ("0755-1", "07551", None, ("0755-1", "07551")),
        ("same", "same", ("s…", "s…"), ("s…", "s…")),
        ("", "x", None, ("", "[x]")),
    ],
)
def test_what_differs_is_marked(left: str, right: str, shown: tuple[str, str] | None, told: tuple[str, str]) -> None:
    sides = marked(left, right, shown)
    assert tuple("".join(f"[{p.text}]" if p.differs else p.text for p in side) for side in sides) == told
