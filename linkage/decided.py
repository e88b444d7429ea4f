"""What stewards decided about pairs of source records, as clustering takes it, and where they contradict each other."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

SourceRecord = tuple[str, str]


@dataclass(frozen=True)
class Decided:
    """What a steward decided about two source records, each named by (source, source_key), and with which decision."""

    kind: Literal["same", "different"]
    left: SourceRecord
    right: SourceRecord
    decision_id: int = field(default=0, compare=False)

    def __str__(self) -> str:
        sign = "=" if self.kind == "same" else "≠"
        number = f" (decision {self.decision_id})" if self.decision_id else ""
        return f"{'/'.join(self.left)} {sign} {'/'.join(self.right)}{number}"


@dataclass(frozen=True)
class Contradiction:
    """A pair that was called different, and the fewest `same` decisions that say otherwise, from left to right."""

    different: Decided
    chain: tuple[Decided, ...]

    def __str__(self) -> str:
        return f"{self.different}, but {', '.join(str(one) for one in self.chain)}"


def contradictions(decided: Iterable[Decided]) -> list[Contradiction]:
    """Every pair that was called different although `same` decisions lead from one record to the other."""
    decided = list(decided)
    ways: dict[SourceRecord, list[tuple[SourceRecord, Decided]]] = {}
    for one in decided:
        if one.kind == "same":
            ways.setdefault(one.left, []).append((one.right, one))
            ways.setdefault(one.right, []).append((one.left, one))
    found = []
    for one in decided:
        if one.kind == "different":
            chain = _chain(ways, one.left, one.right)
            if chain is not None:
                found.append(Contradiction(one, chain))
    return found


def _chain(
    ways: dict[SourceRecord, list[tuple[SourceRecord, Decided]]], start: SourceRecord, end: SourceRecord
) -> tuple[Decided, ...] | None:
    """The fewest decisions that lead from `start` to `end`, None where none do."""
    came: dict[SourceRecord, tuple[SourceRecord, Decided] | None] = {start: None}
    waiting = deque([start])
    while waiting and end not in came:
        here = waiting.popleft()
        for other, by in ways.get(here, ()):
            if other not in came:
                came[other] = (here, by)
                waiting.append(other)
    if end not in came:
        return None
    chain = []
    step = came[end]
    while step is not None:
        chain.append(step[1])
        step = came[step[0]]
    return tuple(reversed(chain))
