"""The made-up province, small: states follow from the truth, and corrected batches close the right tickets."""

from __future__ import annotations

import pytest

from benchmarks.corrections import Document, as_text, travel
from tests.effort import effort

SIZE = effort(800, 2_000)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Document:
    return travel(tmp_path_factory.mktemp("corrections"), SIZE, 78, 0.5)


def test_every_state_of_what_is_linked_right_follows_from_the_truth(told: Document) -> None:
    for entity, states in told["states"].items():
        assert states["share as expected, linked right"] == 1, entity
    states = told["states"]["all"]
    assert states["values"] > 5 * SIZE and states["injected"] > 0.15 * SIZE
    assert states["share of injected found, linked right"] == 1
    assert states["share as expected"] > 0.99
    assert states["all true, told disputed"] == 0


def test_corrected_batches_close_the_tickets_of_their_records_and_no_others(told: Document) -> None:
    tickets = told["tickets"]
    assert tickets["corrected"] == tickets["corrected and closed"] > 0.1 * SIZE
    # A telephone number that a correction makes common is no longer valid: the golden value is another one then.
    assert set(tickets["corrected and closed, because"]) <= {"agrees", "the golden value is another one now"}
    assert tickets["corrected and closed, because"]["agrees"] >= 0.99 * tickets["corrected"]
    assert "without cause" not in tickets["others closed, because"]
    assert tickets["open before the corrections"] > tickets["corrected"] + sum(
        tickets["others closed, because"].values()
    )


def test_the_page_names_every_entity_type(told: Document) -> None:
    page = "\n".join(as_text(told))
    assert all(f"| {entity} | " in page for entity in told["states"])
