"""Addresses: the county of today by the dated history, parts below it by suffixes, levels by what both say."""

from __future__ import annotations

import os
import re
from itertools import product
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.kinds import KINDS
from rules.loader import SHIPPED, reference_path
from tests.kindtools import agree, levels, parse

DATA = Path(os.environ.get("SHUYUAN_DATA", Path(__file__).parents[3] / "shared/data"))
VILLAGES = DATA / "jionlp_location/villages_nocode.parquet"

AMBIGUOUS, RETIRED, UNRESOLVED = "address_ambiguous", "address_retired", "address_unresolved"

# An address, the code of its county, the name of today, what is found.
COUNTIES = [
    ("湖北省襄樊市襄城区长虹路8号", "420602", "襄城区", []),
    ("湖北省襄阳市襄城区长虹路8号", "420602", "襄城区", []),
    ("襄樊襄城区长虹路8号", "420602", "襄城区", []),
    ("大兴县黄村镇8号", "110115", "大兴区", [RETIRED]),
    ("北京市大兴县黄村镇8号", "110115", "大兴区", [RETIRED]),
    ("江苏省淮阴市淮安市8号", "320803", "淮安区", [RETIRED]),
    ("江苏省淮安市楚州区8号", "320803", "淮安区", [RETIRED]),
    ("莱芜市莱城区8号", "370116", "莱芜区", [RETIRED]),
    ("安徽省巢湖市居巢区8号", "340181", "巢湖市", [RETIRED]),
    ("巢湖市健康路8号", "340181", "巢湖市", []),
    ("四川省万县市龙宝区8号", "500101", "万州区", [RETIRED]),
    ("上海市崇明县8号", "310151", "崇明区", [RETIRED]),
    ("四川省重庆市江北区8号", "500105", "江北区", []),
    ("襄阳地区枣阳市8号", "420683", "枣阳市", []),
    ("四川省仁寿县8号", "511421", "仁寿县", []),
    ("北京市市辖区朝阳区8号", "110105", "朝阳区", []),
    ("北京市北京市朝阳区8号", "110105", "朝阳区", []),
    ("北京朝阳区8号", "110105", "朝阳区", []),
    ("长春市朝阳区8号", "220104", "朝阳区", []),
    ("重庆市县云阳县8号", "500235", "云阳县", []),
    ("吉林市昌邑区8号", "220202", "昌邑区", []),
    ("内蒙呼和浩特市新城区8号", "150102", "新城区", []),
    ("克州阿图什市8号", "653001", "阿图什市", []),
    ("恩施州来凤县8号", "422827", "来凤县", []),
    ("海南州共和县8号", "632521", "共和县", []),
    ("长阳县龙舟坪镇8号", "420528", "长阳土家族自治县", []),
    ("湖北枣阳兴隆镇8号", "420683", "枣阳市", []),
    ("仙桃市沔阳大道8号", "429004", "仙桃市", []),
    ("广东省东莞市虎门镇8号", "441900", "东莞市", []),
    ("荆州市沙市区8号", "421002", "沙市区", []),
    ("济南市市中区8号", "370103", "市中区", []),
    ("河北省邯郸市馆陶县路桥乡王庄村8号", "130433", "馆陶县", []),
    ("松原市扶余市三井子镇8号", "220781", "扶余市", []),
    ("廣東省廣州市天河區體育東路８８號", "440106", "天河区", []),
    ("朝阳区建国路88号", None, "朝阳区", [AMBIGUOUS]),
    ("市中区8号", None, "市中区", [AMBIGUOUS]),
    ("河北省桥东区8号", None, "桥东区", [AMBIGUOUS]),
    ("万县市8号", None, "万县市", [RETIRED, UNRESOLVED]),
    ("重庆市万县市8号", None, "万县市", [UNRESOLVED]),
    ("襄阳县8号", None, "襄阳县", [RETIRED, UNRESOLVED]),
    ("长春市海淀区8号", None, "海淀区", [UNRESOLVED]),
    ("襄阳市高新区团山镇8号", None, "高新区", [UNRESOLVED]),
    ("淮安市8号", None, None, [UNRESOLVED]),
    ("南京路8号", None, None, [UNRESOLVED]),
    ("北京东路8号", None, None, [UNRESOLVED]),
    ("东区3栋", None, None, [UNRESOLVED]),
    ("幸福小区3栋", None, None, [UNRESOLVED]),
    ("通县路8号", None, None, [UNRESOLVED]),
    ("红旗路8号", None, None, [UNRESOLVED]),
    ("示例省安县清泉镇8号", None, "安县", [UNRESOLVED]),
    ("沧原省北屏市青泉县新庄镇8号", None, "青泉县", [UNRESOLVED]),
    ("安县清泉镇8号", "510705", "安州区", [RETIRED]),
]

# An address, and township, village and house of it.
PARTS = [
    ("示例省安县清泉镇8号", "清泉", None, "8"),
    ("示例省安县清泉镇王庄村村民委员会三组十二号", "清泉", "王庄", "3组12"),
    ("示例省安县清泉回族乡王庄村第三村民小组012号", "清泉", "王庄", "3组12"),
    ("示例省安县清泉街道办事处幸福社区居委会建国路八十八号", "清泉", "幸福", "建国路88"),
    ("示例省安县清泉街道新村社区", "清泉", "新", None),
    ("示例省安县清泉镇3村", "清泉", "三", None),
    ("示例省安县張村鎮王莊村8號", "张村", "王庄", "8"),
    ("鄂温克旗巴彦托海镇乌雅嘎查委会", "巴彦托海", "乌雅", None),
    ("北京市海淀区四季青地区门头村36号", "四季青", "门头", "36"),
    ("北京市海淀区中关村街道中关村南大街27号", "中关村", None, "中关村南大街27"),
    ("示例省安县古镇路8号", None, None, "古镇路8"),
    ("示例省安县长虹路１２号３幢二单元５０１室", None, None, "长虹路12-3-2-501"),
    ("示例省安县长虹路12号3#楼2-501", None, None, "长虹路12-3-2-501"),
    ("示例省安县长虹路一百二十三号", None, None, "长虹路123"),
    ("示例省安县长虹路二〇五号", None, None, "长虹路205"),
    ("示例省安县五一路十号A座", None, None, "五一路10-A"),
    ("示例省安县长虹路8号(老粮站对面)", None, None, "长虹路8"),
    ("户籍地址：示例省安县 清泉镇 8 号", "清泉", None, "8"),
    ("示例省-安县-清泉镇-8号", "清泉", None, "8"),
]


def test_the_county_is_the_one_of_today() -> None:
    rows = parse("address", [raw for raw, *_ in COUNTIES])
    found = [(raw, rows[raw]["county"], rows[raw]["county_name"], rows[raw]["findings"]) for raw, *_ in COUNTIES]
    assert found == COUNTIES


def test_the_parts_below_the_county() -> None:
    rows = parse("address", [raw for raw, *_ in PARTS])
    assert [(raw, rows[raw]["township"], rows[raw]["village"], rows[raw]["house"]) for raw, *_ in PARTS] == PARTS


def test_the_parts_above_the_county() -> None:
    rows = parse("address", ["大兴县", "襄樊市", "示例省安县", "沧原省北屏市青泉县", "朝阳区", "仙桃市", "湖北"])
    assert {raw: (row["province"], row["city"], row["depth"]) for raw, row in rows.items()} == {
        "大兴县": ("北京市", "北京市", 3),
        "襄樊市": ("湖北省", "襄阳市", 2),
        "示例省安县": ("示例省", None, 3),
        "沧原省北屏市青泉县": ("沧原省", "北屏市", 3),
        "朝阳区": (None, None, 3),
        "仙桃市": ("湖北省", None, 3),
        "湖北": ("湖北省", None, 1),
    }


def test_one_key_for_all_ways_to_write_an_address() -> None:
    ways = (
        "湖北省襄樊市襄城区檀溪街道长虹路12号3栋2单元501室",
        "湖北襄阳市襄城区檀溪街道办事处长虹路十二号3-2-501",
        "襄阳市襄城区檀溪街办长虹路１２号３幢２单元５０１",
        "441000湖北省襄阳市襄城区檀溪街道长虹路12号院3号楼二单元501房",
    )
    assert {row["key"] for row in parse("address", ways).values()} == {"湖北省|襄阳市|襄城区|檀溪||长虹路12-3-2-501"}


def test_what_is_no_address_does_not_count() -> None:
    nothing = ("不详", "无", "同上", "地址不详", "家庭住址：不详", "未知", "？？？", "-", "null", "无固定住所")
    for raw, row in parse("address", nothing).items():
        assert (row["value"], row["key"], row["findings"]) == (None, None, ["address_empty"]), raw


LEVELS = [
    ("示例省安县清泉镇8号", "示例省安县清泉镇八号", "same_house"),
    ("示例省安县清泉镇8号", "安县清泉镇8号", "else"),  # 安县 alone is a county of Sichuan
    ("示例省青泉县清泉镇8号", "青泉县清泉镇8号", "same_house"),
    ("示例省青泉县清泉镇8号", "清泉镇8号", "same_house"),
    ("示例省青泉县清泉镇8号", "示例省青泉县清泉乡8号", "same_house"),
    ("示例省青泉县清泉镇8号", "示例省青泉县清泉镇9号", "same_township"),
    ("示例省青泉县清泉镇8号", "示例省青泉县清泉镇王庄村8号", "same_township"),
    ("示例省青泉县清泉镇8号", "示例省青泉县8号", "same_county"),
    ("示例省青泉县清泉镇8号", "示例省青泉县石桥镇8号", "same_county"),
    ("示例省青泉县清泉镇8号", "示例省青泉县", "same_county"),
    ("示例省青泉县清泉镇8号", "示例省白泉县清泉镇8号", "same_province"),
    ("示例省青泉县清泉镇8号", "沧原省青泉县清泉镇8号", "else"),
    ("示例省甲乙市青泉县清泉镇8号", "示例省丙丁市青泉县清泉镇8号", "same_province"),
    ("示例省青泉县清泉镇王庄村8号", "示例省青泉县清泉镇王庄8号", "same_house"),
    ("示例省青泉县清泉镇王庄村8号", "示例省青泉县清泉镇王庄村委会9号", "same_village"),
    ("示例省青泉县清泉镇王庄村8号", "示例省青泉县王庄村9号", "same_village"),
    ("示例省青泉县清泉镇王庄村8号", "示例省青泉县石桥镇王庄村8号", "same_county"),
    ("示例省青泉县清泉镇上王庄村8号", "示例省青泉县清泉镇下王庄村8号", "same_township"),
    ("示例省青泉县清泉镇", "示例省青泉县清泉镇", "same_township"),
    ("北京市朝阳区建国路88号", "北京市朝阳区建外街道建国路88号", "same_house"),
    ("北京市朝阳区建国路88号", "北京市建国路88号", "same_house"),
    ("北京市朝阳区建国路88号", "朝阳区建国路88号", "same_house"),
    ("北京市朝阳区建国路88号", "长春市朝阳区建国路88号", "else"),
    ("湖北省襄樊市襄城区长虹路8号", "襄阳市襄城区长虹路8号", "same_house"),
    ("北京市大兴县黄村镇", "大兴区黄村镇", "same_township"),
    ("湖北省襄阳市", "襄樊市襄城区长虹路8号", "same_province"),
    ("湖北省", "清泉镇8号", "null"),
    ("建国路88号", "北京市朝阳区建国路88号", "null"),
    ("建国路88号", "建国路八十八号", "same_house"),
    ("建国路88号", "解放路88号", "else"),
    ("不详", "北京市朝阳区", "null"),
    ("不详", "不详", "null"),
]


def test_levels_are_those_of_the_deepest_common_part() -> None:
    both_ways = [(one, other) for one, other, _ in LEVELS] + [(other, one) for one, other, _ in LEVELS]
    expected = [level for *_, level in LEVELS]
    assert list(zip(both_ways, levels("address", both_ways), strict=True)) == [
        (pair, level) for pair, level in zip(both_ways, expected + expected, strict=True)
    ]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("示例省安县清泉镇8号", "示例省安县清泉镇***"),
        ("江苏省镇江市丹徒区高桥镇8号", "江苏省镇江市丹徒区高桥镇***"),
        ("新乡市红旗区建国路8号", "新乡市红旗区***"),
        ("江西省景德镇市浮梁县8号", "江西省景德镇市浮梁县***"),
        ("邯郸市馆陶县路桥乡8号", "邯郸市馆陶县路桥乡***"),
        ("荆州市沙市区中山路8号", "荆州市沙市区***"),
        ("北京市海淀区中关村街道中关村大街27号", "北京市海淀区中关村街道***"),
        ("北京市朝阳区建国路88号", "北京市朝阳区***"),
        ("示例省安县幸福小区8号", "示例省安县***"),
        ("廣東省廣州市天河區體育東路88號", "廣東省廣州市天河區***"),
        ("建国路88号", "***"),
        ("湖北省襄阳市", "湖北省襄阳市"),
    ],
)
def test_a_mask_hides_street_and_house(value: str, shown: str) -> None:
    assert KINDS["address"].mask(value) == shown


def test_a_mask_takes_no_time_on_a_text_of_suffixes() -> None:
    assert KINDS["address"].mask("州" * 5000 + "8号").endswith("***")


PIECES = (
    ("", "湖北省", "湖北", "示例省", "北京市", "内蒙"),
    ("", "襄樊市", "襄阳", "长春市", "北屏市"),
    ("", "襄城区", "朝阳区", "大兴县", "万县市", "青泉县", "襄阳县"),
    ("", "清泉镇", "清泉乡", "建外街道"),
    ("", "王庄村", "王庄村委会", "中关村"),
    ("", "8号", "建国路八号", "建国路8号3栋2单元501室", "三组8号"),
)
MADE = st.tuples(*map(st.sampled_from, PIECES)).map("".join).filter(bool)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("河北省石家庄市正定县新安镇东里村8号", "正定县新安镇东里村8号", True),
        ("河北省石家庄市正定县新安镇东里村8号", "河北省石家庄市正定县新安镇", True),
        ("河北省石家庄市正定县新安镇东里村8号", "河北省石家庄市正定县新安镇东里村9号", False),
        ("河北省石家庄市正定县新安镇", "河北省石家庄市正定县曲阳桥镇", False),
        ("河北省石家庄市正定县新安镇", "河北省石家庄市灵寿县新安镇", False),
        ("河北省", "山西省", False),
        ("正定县新安镇东里村", "新安镇东里村8号", True),
    ],
)
def test_an_address_agrees_with_one_that_goes_less_deep(one: str, other: str, same: bool) -> None:
    assert agree("address", one, other) is same


@settings(max_examples=3)
@given(st.lists(st.tuples(MADE, MADE), min_size=80, max_size=120))
def test_levels_do_not_depend_on_the_side(pairs: list[tuple[str, str]]) -> None:
    found = levels("address", pairs + [(b, a) for a, b in pairs])
    assert found[: len(pairs)] == found[len(pairs) :]


ANY = st.text(max_size=30) | st.text("省市县区镇乡村路号一二三8-()、#旗盟州京北朝阳 ", min_size=1, max_size=20) | MADE


@settings(max_examples=4)
@given(st.lists(ANY.map(str.strip).filter(bool), min_size=100, max_size=200, unique=True))
def test_every_text_gives_one_row_and_a_mask_without_digits(texts: list[str]) -> None:
    rows = parse("address", texts)
    assert set(rows) == set(texts)
    for raw, row in rows.items():
        assert row["county"] is None or re.fullmatch("[0-9]{6}", row["county"]), raw
        assert (row["value"] is None) == (row["findings"] == ["address_empty"]), raw
        assert not re.search("[0-9]", KINDS["address"].mask(row["value"] or "")), raw


def _named() -> list[tuple[str, str, str]]:
    """(province, county, code) of every county in force."""
    con = duckdb.connect()
    rows: list[tuple[Any, ...]] = con.execute(
        "with history as (select * from read_csv(?, all_varchar = true, header = true)) "
        "select p.name, c.name, c.code from history c join history p on p.code = left(c.code, 2) || '0000' "
        "where c.level = 'county' and c.until is null and p.until is null order by c.code",
        [str(reference_path(SHIPPED, "county_history"))],
    ).fetchall()
    return [(province, county, code) for province, county, code in rows]


def test_a_missing_province_never_changes_the_county() -> None:
    counties = _named()
    assert len(counties) == 2846
    alone = parse("address", sorted({county + "8号" for _, county, _ in counties}))
    full = parse("address", sorted({province + county + "8号" for province, county, _ in counties}))
    unique = 0
    for province, county, code in counties:
        short, long = alone[county + "8号"], full[province + county + "8号"]
        assert long["county"] in (code, None), province + county
        if short["county"] is not None:
            unique += 1
            assert short["county"] == code, county
            assert (short["province"], long["county"], short["key"]) == (province, code, long["key"]), county
    assert unique > 2600


def test_villages_of_the_whole_country() -> None:
    """A published list of villages with the codes of their counties: no county is wrong, hardly one is missing."""
    if not VILLAGES.exists():
        pytest.skip(f"needs {VILLAGES.name}; set SHUYUAN_DATA to the folder with jionlp_location")
    con = duckdb.connect()
    names = dict(
        con.execute(
            "select code, name from read_csv(?, all_varchar = true, header = true) where until is null",
            [str(reference_path(SHIPPED, "county_history"))],
        ).fetchall()
    )
    listed = con.execute(
        "select county6, township, village from read_parquet(?) "
        "where hash(county6 || township || village) % 120 = 0 order by all",
        [str(VILLAGES)],
    ).fetchall()
    expected = {}
    for county, township, village in listed:
        if county in names:
            above = names[county[:2] + "0000"] + names.get(county[:4] + "00", "") + names[county]
            expected[f"{above}{township}{village}8号"] = (county, township)
    rows = parse("address", list(expected))
    wrong = [raw for raw, (county, _) in expected.items() if rows[raw]["county"] not in (county, None)]
    missing = [raw for raw in expected if rows[raw]["county"] is None]
    townships = [raw for raw, (_, name) in expected.items() if (rows[raw]["township"] or "?")[:1] != name[:1]]
    assert len(expected) > 4000
    assert (wrong, len(missing) / len(expected) < 0.002, len(townships) / len(expected) < 0.05) == ([], True, True)


def test_every_level_is_reached_by_some_pair() -> None:
    labels = {level.label for level in KINDS["address"].compare("f", {}).levels} | {"else", "null"}
    texts = ["".join(pieces) for pieces in product(*(pieces[1:3] for pieces in PIECES[2:]))]
    assert {level for *_, level in LEVELS} == labels
    assert set(levels("address", list(product(texts[:6], texts[:6])))) <= labels
