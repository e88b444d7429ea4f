"""Sample files of every registered source, in a folder for each line of business, ready to load.

They are the first delivery of a small made-up province, so the records of one line mean people, places and
organizations that those of another line know too.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from demo.population import generate
from golden_records.preferences import lead
from rules.model import Rules, Source, Title

Document = dict[str, Any]
SIZE, SEED = 3_000, 10
SHARED = Title(zh="部门共享", en="shared by other departments")


@dataclass(frozen=True)
class Sample:
    """One sample file: whose it is and where it stands."""

    line: Title
    entity: str
    source: str
    file: Path


def line_of(source: Source) -> Title:
    """The line of business of a source; what other departments deliver belongs to none."""
    return source.line or SHARED


def profiles(rules: Rules, samples: Mapping[tuple[str, str], str], as_of: date) -> list[Document]:
    """What is registered of every source that delivers files, lines of business first, and its sample file.

    It leads for the fields for which the authority matrix of that day names it first.
    """
    found: list[Document] = [
        {
            "line": line_of(source).model_dump(),
            "entity": entity,
            "source": name,
            "title": source.title.model_dump(),
            "owner": source.owner,
            "files": list(source.files),
            "key": list(source.key),
            "columns": dict(source.columns),
            "delivery": source.delivery,
            "cycle_days": source.cycle_days,
            "leads": [field for field in one.entity.fields if lead(one.sources, [field], as_of) == name],
            "sample": samples.get((entity, name)),
        }
        for entity, one in rules.entities.items()
        for name, source in one.sources.sources.items()
        if source.grouped is None
    ]
    return sorted(found, key=lambda one: (one["line"] == SHARED.model_dump(), one["line"]["zh"]))


def write_samples(rules: Rules, folder: Path) -> list[Sample]:
    """Write a sample file of every source that delivers files into `folder`/<line of business>/.

    A source that the rules no longer register gets none; the same rules give the same files.
    """
    found: dict[tuple[str, str], Path] = {}
    samples = []
    with tempfile.TemporaryDirectory() as made:
        for entity, source, path in generate(Path(made), SIZE, SEED).files:
            declared = rules.entities[entity].sources.sources.get(source) if entity in rules.entities else None
            if declared is not None and (declared.period or (entity, source) not in found):
                found[entity, source] = path  # of yearly lists the latest, of everything else the first delivery
        for (entity, source), path in found.items():
            line = line_of(rules.entities[entity].sources.sources[source])
            target = folder / line.zh / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            samples.append(Sample(line, entity, source, target))
    return samples
