"""What tests of several folders share, made once."""

from __future__ import annotations

from tests.told import copied, told

__all__ = ["copied", "told"]
