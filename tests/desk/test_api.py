"""What the API answers about three releases of six ships: ids that were merged, split and retired, records, values."""

from __future__ import annotations

import hashlib
import re
import time
from typing import Any

import pytest
from starlette.testclient import TestClient

from golden_records.queue import Queue
from golden_records.release import rollback
from linkage.audit_trail import AuditTrail
from rules.errors import RefusedError
from tests.desk.conftest import Office
from tests.told import THIRD

API = "/api/v1"


@pytest.fixture
def reader(office: Office) -> TestClient:
    return office.caller("reader", name="benefits")


def ids(office: Office, release: int | None = None) -> dict[str, str]:
    """Golden ids by source key."""
    return {key: golden for (_, key), golden in office.yard.ids(release).items()}


def test_a_golden_record_is_told_with_its_release_and_masked(office: Office, reader: TestClient) -> None:
    one = ids(office)["r0"]
    answer = reader.get(f"{API}/golden/{one}")
    told = answer.json()
    assert answer.status_code == 200, told
    assert (told["golden_id"], told["release"], answer.headers["shuyuan-release"]) == (one, 3, "3")
    assert told["fields"]["radio"]["value"] == "139****5678" and told["masked"] is True
    assert {"source": "harbour", "source_key": "h0"} in told["members"]


def test_a_merged_id_answers_with_its_heir(office: Office, reader: TestClient) -> None:
    first, now = ids(office, 1), ids(office)
    gone, heir = first["r2"], now["r2"]
    if gone == heir:
        gone = first["r1"]
    answer = reader.get(f"{API}/golden/{gone}?as_of=2024-08-01")
    assert answer.status_code == 308 and answer.headers["location"].startswith(f"{API}/golden/{heir}")
    assert answer.json()["heir"] == heir
    assert reader.get(f"{API}/golden/{gone}", follow_redirects=True).json()["golden_id"] == heir


def test_an_id_that_lost_records_names_its_successors_and_a_retired_one_is_gone(
    office: Office, reader: TestClient
) -> None:
    first, now = ids(office, 1), ids(office)
    split = first["r3"]
    told = reader.get(f"{API}/golden/{split}").json()
    assert told["golden_id"] == split and set(told["successors"]) == {now["r3"], now["h3"]} - {split}
    gone = reader.get(f"{API}/golden/{first['r4']}")
    assert gone.status_code == 410 and "retired" in gone.json()["detail"]


@pytest.mark.parametrize("unknown", ["S07000000099", "nothing", "%00", "P000000000001U"])
def test_what_was_never_issued_is_a_problem(reader: TestClient, unknown: str) -> None:
    answer = reader.get(f"{API}/golden/{unknown}")
    assert answer.status_code == 404 and answer.headers["content-type"] == "application/problem+json"
    assert set(answer.json()) == {"type", "title", "status", "detail"}


def test_source_records_lead_to_golden_records_now_and_on_a_day(office: Office, reader: TestClient) -> None:
    first, now = ids(office, 1), ids(office)
    assert reader.get(f"{API}/crosswalk/registry/r2").json()["golden"] == [{"entity": "ship", "golden_id": now["r2"]}]
    then = reader.get(f"{API}/crosswalk/registry/r2", params={"as_of": "2024-03-01"}).json()
    assert then["golden"] == [{"entity": "ship", "golden_id": first["r2"]}]
    assert reader.get(f"{API}/crosswalk/registry/none").status_code == 404
    records = [{"source": "registry", "key": f"r{n % 7}"} for n in range(1000)]
    told = reader.post(f"{API}/crosswalk", json={"records": records}).json()
    assert [one["key"] for one in told["records"]] == [one["key"] for one in records]
    assert told["records"][2]["golden"] == [{"entity": "ship", "golden_id": now["r2"]}]
    assert told["records"][6]["golden"] == []
    assert reader.post(f"{API}/crosswalk", json={"records": [*records, records[0]]}).status_code == 422


def test_an_identifier_finds_old_values_and_other_spellings(office: Office, reader: TestClient) -> None:
    wanted = ids(office)["r0"]
    for asked in ({"value": "MK-0"}, {"value": " mk-0 "}, {"value": "MK-0", "entity": "ship", "field": "mark"}):
        hits = reader.post(f"{API}/search", json=asked).json()["hits"]
        assert hits == [{"entity": "ship", "golden_id": wanted, "field": "mark"}]
    by_name = reader.post(f"{API}/search", json={"value": "海鸥", "field": "name"}).json()["hits"]
    assert [hit["golden_id"] for hit in by_name] == [wanted]
    assert reader.post(f"{API}/search", json={"value": "MK-99"}).json()["hits"] == []
    assert reader.post(f"{API}/search", json={"value": "x", "field": "shoe"}).status_code == 404


def test_a_claim_is_answered_with_yes_or_no_and_no_value(office: Office, reader: TestClient) -> None:
    claims = {"radio": "139 1234 5678", "name": "海豚", "berth": "七号", "flag": "中国"}
    answer = reader.post(f"{API}/verify", json={"golden_id": ids(office)["r0"], "claims": claims})
    assert answer.json()["answers"] == {"radio": "yes", "name": "no", "berth": "yes", "flag": "unknown"}
    assert not [value for value in ("海鸥", "13912345678", "七号") if value in answer.text]
    entry = AuditTrail(office.yard.ws.decisions).entries()[-1]
    assert (entry.actor, entry.action, entry.detail["fields"]) == ("benefits", "verify", sorted(claims))
    assert "海豚" not in str(entry.detail)


def test_changes_are_whole_and_in_order_and_can_be_asked_for_again(office: Office, reader: TestClient) -> None:
    with office.yard.ask() as published:
        whole = list(published.changes())
    after, found = 0, []
    while True:
        told = reader.get(f"{API}/changes", params={"after": after, "limit": 2}).json()
        assert told == reader.get(f"{API}/changes", params={"after": after, "limit": 2}).json()
        found += told["events"]
        after = told["next_after"]
        if not told["more"]:
            break
    assert found == whole and [one["seq"] for one in found] == list(range(1, len(whole) + 1))
    assert after == whole[-1]["seq"]
    assert reader.get(f"{API}/changes", params={"after": after}).json()["events"] == []
    assert reader.get(f"{API}/changes", params={"after": after + 1}).status_code == 409


def test_a_release_that_is_the_same_is_not_sent_again(office: Office, reader: TestClient) -> None:
    path = f"{API}/golden/{ids(office)['r0']}"
    etag = reader.get(path).headers["etag"]
    again = reader.get(path, headers={"If-None-Match": f'"other", W/{etag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    other = office.caller("reader", attributes=frozenset({"name"}))
    assert other.get(path, headers={"If-None-Match": etag}).status_code == 200
    office.yard.deliver("registry", "2024-09-01", {"id": "r9", "mark": "MK-9", "name": "九江"})
    office.yard.release()
    assert reader.get(path, headers={"If-None-Match": etag}).headers["shuyuan-release"] == "4"


def test_a_snapshot_is_files_with_their_hashes_and_the_event_to_follow_from(office: Office) -> None:
    client = office.caller("reader", name="statistics", extra=frozenset({"export"}))
    told = client.get(f"{API}/snapshot").json()
    assert told["after"] == client.get(f"{API}/changes", params={"limit": 1000}).json()["next_after"]
    for one in told["files"]:
        path = f"{API}/snapshot/{told['release']}/{one['path']}"
        assert client.get(path).status_code == 422, "an export needs a purpose"
        got = client.get(path, params={"purpose": "年度统计"})
        assert hashlib.sha256(got.content).hexdigest() == one["sha256"] and len(got.content) == one["bytes"]
    kept = [one for one in AuditTrail(office.yard.ws.decisions).entries() if one.action == "export"]
    assert len(kept) == len(told["files"])
    assert {(one.actor, one.detail["purpose"]) for one in kept} == {("statistics", "年度统计")}
    inside = ("..%2F..%2F..%2Ftokens.json", "manifest.json", "match%2F0%2Fcolumns.arrow", "none.parquet")
    for outside in (*(f"3/ship/{one}" for one in inside), "9/ship/golden.parquet", "3/match/golden.parquet"):
        assert client.get(f"{API}/snapshot/{outside}", params={"purpose": "p1"}).status_code == 404


def test_clear_text_is_told_for_a_purpose_that_the_audit_trail_keeps_first(office: Office) -> None:
    one, system = ids(office)["r0"], office.caller("reader", name="benefits", extra=frozenset({"see_clear"}))
    assert system.post(f"{API}/golden/{one}/clear", json={"purpose": "  "}).status_code == 422
    told: dict[str, Any] = system.post(f"{API}/golden/{one}/clear", json={"purpose": "信访核查"}).json()
    assert told["fields"]["radio"]["value"] == "13912345678" and told["masked"] is False
    entry = AuditTrail(office.yard.ws.decisions).entries()[-1]
    assert (entry.actor, entry.action) == ("benefits", "unmask")
    assert entry.detail == {
        "action": "api golden", "golden_id": one, "release": 3, "reason": "信访核查", "way": "bearer",
    }  # fmt: skip


def test_a_steward_sees_clear_text_when_a_second_person_gave_leave(office: Office) -> None:
    now, steward = ids(office), office.caller("steward", name="eve")
    path, asked = f"{API}/golden/{now['r0']}/clear", {"purpose": "信访核查"}
    first, again = (steward.post(path, json=asked) for _ in range(2))
    assert (first.status_code, first.json()) == (409, again.json()), "it is asked once"
    number = int(re.findall(r"decision (\d+) waits", first.json()["detail"])[0])
    queue = Queue(office.yard.ws, office.app.state.desk.rules)
    with pytest.raises(RefusedError):
        queue.confirm(number, "eve", "mine")
    queue.confirm(number, "ada", "seen")
    assert steward.post(path, json=asked).json()["fields"]["radio"]["value"] == "13912345678"
    assert office.caller("steward", name="bob").post(path, json=asked).status_code == 409
    assert steward.post(f"{API}/golden/{now['r3']}/clear", json=asked).status_code == 409


def test_requests_beyond_the_rate_are_told_when_to_come_again(office: Office) -> None:
    from desk.security import Rate

    office.app.state.desk.rate = Rate(rate=1.0, burst=3)
    one, other = office.caller("reader", name="a"), office.caller("reader", name="b")
    path = f"{API}/crosswalk/registry/r0"
    assert [one.get(path).status_code for _ in range(4)] == [200, 200, 200, 429]
    late = one.get(path)
    assert late.headers["retry-after"] == "1" and late.json()["status"] == 429
    assert other.get(path).status_code == 200


def test_the_audit_trail_is_told_to_its_administrator(office: Office) -> None:
    claims = {"golden_id": ids(office)["r0"], "claims": {"name": "x"}}
    office.caller("steward", name="eve").post(f"{API}/verify", json=claims)
    told = office.caller("audit_administrator").get(f"{API}/audit", params={"limit": 1000}).json()
    assert told["whole"] is True and told["entries"][-1]["actor"] == "eve"


def test_the_index_of_a_new_release_is_opened_before_anybody_asks_it(office: Office) -> None:
    caller, desk = office.caller("reader"), office.app.state.desk
    asked = {"entity": "ship", "record": {"mark": "MK-9"}}
    before = caller.post(f"{API}/match", json=asked).json()["release"]
    number = rollback(office.yard.ws, before, THIRD)
    with desk.release() as release:
        assert release.manifest.release == number
    assert opened(desk, before) == number
    assert caller.post(f"{API}/match", json=asked).json()["release"] == number
    begun = type(desk)(office.yard.ws, desk.settings)
    begun.begin_matching()
    assert opened(begun, None) == number
    begun.close()


def opened(desk: Any, before: int | None) -> int | None:
    """The release whose match indexes are open, once they are another's than before."""
    until = time.monotonic() + 60
    while (desk.matching() or before) == before and time.monotonic() < until:
        time.sleep(0.05)
    return desk.matching()
