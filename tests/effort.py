"""How hard a promise is tried: a few examples in every run, many where `SHUYUAN_TESTS=deep` asks for them."""

from __future__ import annotations

import os


def effort(usual: int, deep: int) -> int:
    """How many examples, or steps, a property is tried with."""
    return deep if os.environ.get("SHUYUAN_TESTS") == "deep" else usual
