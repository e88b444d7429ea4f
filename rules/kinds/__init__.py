"""The value kinds by name: the only place where code knows what sort of value a field holds."""

from __future__ import annotations

from rules.kinds.base import Kind

KINDS: dict[str, Kind] = {}
