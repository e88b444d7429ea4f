"""A morning at the desk in a real browser, and what axe-core finds on its pages."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from linkage.workspace import Workspace
from tests.desk.browser import Person, chromium, listening
from tests.desk.visitor import items
from tests.golden_records.things import Yard

GRAVE = {"serious", "critical"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def yard(built: Yard, tmp_path: Path) -> Yard:
    shutil.copytree(built.ws.root, tmp_path / "ws", symlinks=True)
    return Yard(Workspace.open(tmp_path / "ws"))


def test_a_morning(browser: Browser, yard: Yard) -> None:
    with listening(yard.ws) as desk:
        eve = Person(browser, desk, "eve", "steward")
        bob = Person(browser, desk, "bob", "steward")
        ann = Person(browser, desk, "ann", "approver")

        # Claim, decide by keyboard, undo.
        eve.go("/queue")
        eve.click("领取并开始")
        first = eve.page.url
        left, right = re.findall(r"S07\w{11}", eve.text)[:2]
        assert "第 1 / 10 项" in eve.text and left != right
        eve.press("s")
        assert "判定 1“相同”已保存" in eve.text and eve.page.url != first
        eve.press("z")
        assert eve.page.url == first
        eve.page.keyboard.press("r")
        eve.page.keyboard.type("同一条船，船名只差一字")
        eve.page.keyboard.press("Escape")
        eve.press("s")
        second = eve.page.url
        eve.press("n")
        assert eve.page.url not in (first, second)
        eve.press("d")
        eve.press("u")
        assert "判定 4“不确定”已保存" in eve.text

        # A second steward is handed one of these again, and sees nothing of the first answer.
        bob.go("/queue")
        bob.click("领取并开始")
        bob.go("/queue/mine")
        again = [one for one in items(bob.page.content()) if one in first + second]
        assert again
        bob.go(f"/review/{again[0]}")
        assert "eve" not in bob.text
        bob.press("s")
        assert "已保存" in bob.text

        # What identifies is overridden by two.
        golden = yard.id_of("registry", "t1")
        eve.go(f"/golden/{golden}")
        eve.page.check("input[value='registry/t1']")
        eve.page.click("text=人工处理")
        eve.page.fill("input[name=reason]", "以登记为准")
        eve.page.select_option("select[name=field]", "mark")
        eve.click("采用勾选记录的值")
        assert "须由第二人确认" in eve.text
        ann.go("/queue/second")
        ann.click("确认")
        assert "没有待办" in ann.text

        # Plan, approve, publish; the golden record is another one then.
        ann.go("/plan")
        ann.page.fill("input[name=day]", "2024-02-15")
        ann.click("重新归并并生成方案")
        ann.page.wait_for_selector("text=版本 2 发布方案", timeout=45_000)
        ann.page.fill("input[name=reason]", "已核对")
        ann.click("批准")
        ann.click("发布版本 2")
        ann.page.wait_for_selector("text=版本 2 已发布", timeout=45_000)
        eve.go(f"/golden/{max(left, right)}")
        assert min(left, right) in eve.page.inner_text("h1") and "成员记录 (2)" in eve.text
        assert f"{max(left, right)} 已并入本实体" in eve.text

        # A ticket is answered.
        eve.go("/tickets")
        eve.page.click("main tbody a")
        eve.page.check("input[value=upheld]")
        eve.page.fill("input[name=reason] >> nth=0", "原件无误")
        eve.click("登记答复")
        assert "维持原值" in eve.page.inner_text("h1")
        assert [*eve.complaints, *bob.complaints, *ann.complaints] == []


def test_everything_works_without_javascript(browser: Browser, yard: Yard) -> None:
    with listening(yard.ws) as desk:
        eve = Person(browser, desk, "eve", "steward", script=False)
        eve.go("/queue")
        eve.click("领取并开始")
        first = eve.page.url
        with eve.page.expect_navigation():
            eve.page.click("button[value=same]")
        assert "已保存" in eve.text and eve.page.url != first
        with eve.page.expect_navigation():
            eve.page.click("form.told button")
        assert eve.page.url == first


def test_axe_finds_nothing_that_keeps_people_out(browser: Browser, yard: Yard) -> None:
    axe, golden = Axe(), yard.id_of("registry", "t1")
    yard.link()
    yard.plan()
    with listening(yard.ws) as desk:
        eve = Person(browser, desk, "eve", "steward", "approver")
        aud = Person(browser, desk, "aud", "audit_administrator")
        eve.go("/queue")
        eve.click("领取并开始")
        review = eve.page.url.removeprefix(eve.desk)
        places = [(eve, path) for path in ("/", "/queue", "/queue/mine", "/queue/second", review, f"/golden/{golden}")]
        places += [
            (eve, path)
            for path in ("/search", "/search/match", "/explain", "/tickets", "/tickets/1", "/quality", "/plan")
        ]
        places += [(eve, "/queue/done"), (eve, "/nowhere"), (aud, "/audit"), (aud, "/login")]
        grave = []
        for language in ("zh-CN", "en"):
            for who, path in places:
                page = who.go(path)
                assert page.get_attribute("html", "lang") == language
                found = axe.run(page).response["violations"]
                grave += [
                    (language, path, one["id"], one["nodes"][0]["html"][:200])
                    for one in found
                    if one["impact"] in GRAVE
                ]
                assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} is wider than 1366"
            for who in (eve, aud):
                who.go("/")
                who.page.click("header form button.plain >> nth=0")
        assert grave == []
