"""A page says what its document says, in pictures too, and needs nothing from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from golden_records.page import write_training
from rules.errors import RefusedError

LEVEL = {"comparison": "name", "label": "exact"}
TRAINED = {
    "entity": "ship",
    "records": 1200,
    "model": "ab12-cd34",
    "u_pairs": 2_000_000,
    "levels": [LEVEL | {"m": 0.91, "u": 0.0013, "observed": True}],
    "passes": [
        {
            "keys": ["mark__key"],
            "m": [LEVEL | {"m": 0.93}],
            **{"pairs": 345, "share": 0.97, "rounds": 7, "converged": True, "apart": 0.0125, "together": []},
            "starts": [{"likely": True, "m": [LEVEL | {"m": 0.94}]}, {"likely": False, "m": [LEVEL | {"m": 0.5}]}],
        },
        {"keys": ["radio__key"], "m": [LEVEL | {"m": 0.89}]},
    ],
    "doubts": [{"cause": "rare", "where": "name: exact", "said": "9 of the random pairs showed it"}],
}


def test_a_page_of_training_draws_every_pass_and_start(tmp_path: Path) -> None:
    write_training(TRAINED, tmp_path / "training.html")
    text = (tmp_path / "training.html").read_text("utf-8")
    for said in ("ab12-cd34", "mark__key", "radio__key", "345", "0.0125", "9 of the random pairs showed it"):
        assert said in text
    # one mark for each of two passes, two starts, what was taken, and u
    assert len(re.findall(r'aria-label="m, u: [^"]*name: exact', text)) == 6
    assert "<script" not in text
    assert not re.search(r'(?:src|href)="(?!#)', text)
    with pytest.raises(RefusedError, match="exists"):
        write_training(TRAINED, tmp_path / "training.html")
