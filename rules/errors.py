"""Every error Shuyuan raises on purpose, in one tree.

    ShuyuanError                 exit code
    ├── RulesError                    2     rules, sources or cases that cannot be used
    ├── InputError                    3     a file or row that cannot be read as declared
    ├── RefusedError                  4     an audit, a limit, a budget or a conflict says no
    │   ├── DeniedError               4     who asks may not do this
    │   └── UnknownCallerError        4     who asks did not say, or could not prove, who they are
    └── NotFoundError                 5     no such golden record, source key, release, field …

A message says what is wrong, where (file, line, column or key) and what to do next. Only the command
line prints an error or turns it into an exit code; anything outside this tree exits with 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches


class ShuyuanError(Exception):
    """The root of all errors raised on purpose."""

    exit_code = 1


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a rules folder: the file, the dotted key inside it and a sentence."""

    file: str
    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}: {self.key}: {self.message}" if self.key else f"{self.file}: {self.message}"


def unknown_names(
    file: str, key: str, names: Iterable[str], known: Iterable[str], what: str = "name"
) -> Iterator[Problem]:
    """A problem for each of `names` that is not known, with the nearest one that is."""
    known = set(known)
    for name in names:
        if name not in known:
            near = get_close_matches(name, sorted(known), n=1, cutoff=0.5)
            hint = f'did you mean "{near[0]}"?' if near else f"known are {', '.join(sorted(known)[:12]) or 'none'}"
            yield Problem(file, key, f"unknown {what} {name!r}; {hint}")


class RulesError(ShuyuanError):
    """Rules that cannot be used; `problems` lists every one of them, not only the first."""

    exit_code = 2

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in problems))


class InputError(ShuyuanError):
    """A file or a row that cannot be read as its source declares."""

    exit_code = 3


class RefusedError(ShuyuanError):
    """A step that an audit, a limit, a budget or a conflict does not allow."""

    exit_code = 4


class DeniedError(RefusedError):
    """Something that was not granted to whoever asks."""


class UnknownCallerError(RefusedError):
    """A request of which nobody can say whose it is."""


class NotFoundError(ShuyuanError):
    """Something asked for by name that does not exist."""

    exit_code = 5
