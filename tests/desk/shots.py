"""Takes the pictures of docs/desk.md: every page in both languages, on made-up people.

    python -m tests.desk.shots [--to docs/desk]

Area code 88 was never given to a place and 154 to no carrier: nobody's number stands on a picture.
"""

from __future__ import annotations

import argparse
import tempfile
from datetime import date, timedelta
from pathlib import Path

from desk.language import LANGUAGES
from linkage.workspace import Workspace
from tests import deliveries
from tests.desk.browser import Person, chromium, listening
from tests.golden_records.things import Yard

NAMES = ("顾清和", "傅远山", "柏若溪", "佟安澜", "卫长风", "邬采薇")
NAMES += ("滕望舒", "尹松年", "桑柔嘉", "耿云舟", "骆思齐", "乐知秋")
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def number(birth: str, serial: int) -> str:
    """A citizen number of area 880101 with its check character (GB 11643)."""
    digits = f"880101{birth}{serial:03}"
    return digits + "10X98765432"[sum(int(d) * w for d, w in zip(digits, WEIGHTS, strict=True)) % 11]


def doubtful() -> dict[str, str]:
    """Two deliveries in which twelve people have two valid numbers, or another day of birth and none."""
    civil, social = [deliveries.CIVIL], [deliveries.SOCIAL]
    for i, name in enumerate(NAMES, 1):
        birth, woman, phone = date(1950 + 3 * i, 1 + i % 12, 3 + 2 * i), i % 2 == 1, f"154000001{i:02}"
        day, serial = f"{birth:%Y%m%d}", 2 * i + (0 if woman else 1)  # odd for men
        place = f"青泉县{'新庄镇柳湾' if woman else '大店镇白塔'}村{10 + i}号"
        division = "880101101" if woman else "880101102"
        own = f"{2 if woman else 1},{day},{number(day, 10 + serial)}"
        civil.append(f"C{100 + i},{name},,{own},{phone},{division},{place},20230105,\n")
        other = number(day, 500 + serial) if i % 3 else ""
        said = birth if i % 3 else birth + timedelta(days=9 * i)
        written = name if i % 4 else name[0] + name[2]
        reached = phone if i % 5 else "15400000199"
        home = place if woman else place[:-2]
        social.append(
            f"S{100 + i},{written},,{'女' if woman else '男'},{said},{other},{reached},{division},{home},2023-03-01,\n"
        )
    return {"civil_registry_20231210.csv": "".join(civil), "social_assistance_20231210.csv": "".join(social)}


def create(folder: Path) -> Yard:
    """A workspace with two releases, a queue and tickets."""
    ws = folder / "ws"
    deliveries.run("init", ws)
    first = deliveries.FIRST | deliveries.FIRST_HOUSEHOLDS | doubtful()
    for files, name, day in (
        (first, "first", deliveries.FIRST_DAY),
        (deliveries.SECOND | deliveries.SECOND_HOUSEHOLDS, "second", deliveries.SECOND_DAY),
    ):
        deliveries.run("load", deliveries.deliver(folder / name, files), "--workspace", ws)
        deliveries.publish(ws, day)
    return Yard(Workspace.open(ws))


def take(folder: Path, to: Path) -> None:
    """Take every picture."""
    yard = create(folder)
    with yard.ask() as release:
        (golden,) = (one["golden_id"] for one in release.find("person", "civil_registry", "C01"))
        other = next(one for one in release.members(golden) if one[0] != "civil_registry")
    with chromium() as browser, listening(yard.ws) as desk:
        lin = Person(browser, desk, "林知远", "steward")
        zhou = Person(browser, desk, "周敏", "approver")
        audit = Person(browser, desk, "审计员", "audit_administrator")
        nobody = Person(browser, desk, "nobody", "reader")
        nobody.context.clear_cookies()
        lin.go("/queue")
        lin.click("领取并开始")
        lin.press("s")
        lin.press("d")
        review = lin.page.url.removeprefix(lin.desk)
        lin.go(f"/golden/{golden}")
        lin.page.check("main input[type=checkbox] >> nth=0")
        lin.page.click("main .side summary >> nth=0")
        lin.page.fill("input[name=reason]", "以公安登记为准")
        lin.page.select_option("select[name=field]", "citizen_id")
        lin.click("采用勾选记录的值")
        zhou.go("/plan")
        zhou.page.fill("input[name=day]", deliveries.SECOND_DAY)
        zhou.click("重新归并并生成方案")
        zhou.page.wait_for_selector("text=版本 3 发布方案", timeout=120_000)
        zhou.page.fill("input[name=reason]", "已核对变更示例")
        zhou.click("批准")
        places = [
            (nobody, "login", "/login"),
            (lin, "home", "/"),
            (lin, "queue", "/queue"),
            (lin, "mine", "/queue/mine"),
        ]
        places += [(lin, "review", review), (zhou, "second", "/queue/second"), (lin, "golden", f"/golden/{golden}")]
        places += [(lin, "search", "/search"), (lin, "match", "/search/match"), (lin, "tickets", "/tickets")]
        places += [(lin, "explain", "/explain"), (lin, "how", f"/golden/{golden}/how")]
        places += [(lin, "ticket", "/tickets/1"), (lin, "quality", "/quality"), (zhou, "plan", "/plan")]
        places += [(audit, "audit", "/audit")]
        for language in LANGUAGES:
            for who, name, path in places:
                who.go(path)
                if name == "search":
                    who.page.fill("#what", "880101198503120023")
                    who.page.click("main button >> nth=0")
                if name == "explain":
                    who.page.select_option("select[name=left_source]", "civil_registry")
                    who.page.fill("input[name=left_key]", "C01")
                    who.page.select_option("select[name=right_source]", other[0])
                    who.page.fill("input[name=right_key]", other[1])
                    who.page.click("main button.main")
                if name == "match":
                    who.page.fill("input[name='field.name']", "沈青禾")
                    who.page.fill("input[name='field.birth_date']", "1985-03-12")
                    who.page.click("main button.main")
                who.page.screenshot(path=to / f"{name}.{language}.png", full_page=name == "golden")
            for who in (nobody, lin, zhou, audit):
                who.go("/login" if who is nobody else "/")
                who.page.click("header form button.plain >> nth=0")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--to", type=Path, default=Path("docs/desk"))
    arguments = parser.parse_args()
    arguments.to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        take(Path(scratch), arguments.to)
