"""Addresses: province, city, county by the dated history; township, committee and house by their suffixes.

An address says as much as its writer thought necessary, so two of them are compared as deep as both go: a part
that one of them leaves out is no difference. The county is the one of today (see `address_place`); where its name
does not tell which county it is, the code stays null and the name speaks alone. A street belongs to a city or county
and a bare number to the township or village in front of it: 建国路88号 is one house of a county wherever its township
is written, 8号 of a township is not 8号 of one of its villages.

Columns: `province`, `city` and `county_name` are the names of today where known, otherwise as written; `county` the
code in force; `township` and `village` without their suffix, characters folded, `village` as the `key` of
`committee_name`; `street` what stands before the number, if anything; `house` all that is left, numerals as digits
and the words for building, unit and room as hyphens (3号楼二单元501室 is 3-2-501); `depth` the deepest part that is
stated: 1 province, 2 city, 3 county, 4 township, 5 village, 6 house number.
"""

from __future__ import annotations

import re

from rules.kinds.address_place import PEOPLES, head, place
from rules.kinds.base import Comparison, Finding, Kind, Level, Options
from rules.kinds.text import NARROW, WIDE, swap

# Characters that the suffixes need, and brackets and quotes of any form.
_WRITTEN = "號樓棟單戶門區縣鎮鄉郷邨組隊層處辦會員灣廣東國與橦【】〔〕[]{}《》〈〉“”\"'‘’"
_READ = "号楼栋单户门区县镇乡乡村组队层处办会员湾广东国与栋()()()()()()"

_NOTHING = (
    "(?:(?:家庭|户籍|现|居住|常住)?(?:住址|地址|住所)?:?(?:不详|不明|不清|未知|未填|未登记|未提供|没有|暂无|暂缺|待查|待补|无|空)"
    "|同上|同前|无固定(?:住所|住址|居所)|居无定所|不知道|其他|其它|见附件|NULL|NONE|NAN|N/A|NA)+[。.]?"
)
_NOTE = r"\((?:原|曾|现|旧|注|户籍)[^()]*\)|\([^()]*(?:旁|附近|对面|隔壁|后面|楼下)\)"
_LABEL = r"^\p{Han}{0,6}(?:住址|地址|所在地|居住地|住所):"
_COUNTRY = r"^(?:中华人民共和国|中国|[0-9]{6})(\p{Han}{2})"
_DIRECT = "(省|自治区)直辖(?:县级|县)?(?:行政区划|行政单位)?|^(北京|天津|上海|重庆)市县"

_TOWNSHIP = (
    "^(?:([^0-9号][^0-9号镇乡]{0,9}?)(街道办事处|街道办|街办|街道|地区办事处|地区|办事处)"
    "|([^0-9号][^0-9号路巷弄村社]{0,13}?[路巷村]?)(镇|乡|苏木))(.*)$"
)
_OF_PEOPLES = f"^(.+?)(?:民族|{PEOPLES}+)$"
_COMMITTEE = "(?:村|社区|嘎查|牧业|农业)*(?:村民?委员?会?|居民?委员?会?|牧委会|嘎查委员?会)|(?:村|社区|嘎查)+"
_VILLAGE = (
    f"^(.{{1,2}}?|[^号弄]{{2}}[^路街巷弄号道]{{0,10}}?(?:[路街巷道][东西南北中上下一二三四五]?)?)({_COMMITTEE})(.*)$"
)
# Behind 镇 or 村 these make it part of a street's or an estate's name: 古镇路, 中关村南大街, 新村小区.
_STREET = "^[东西南北中前后一二三四五]{0,2}(?:路|街|大街|大道|道|巷|胡同|小区|花园|家园|公寓|广场|桥|站)"

_NUMERALS = "〇零一二三四五六七八九十百"
_UNITS = "号|村民小组|村民组|小组|组|栋|幢|座|单元|室|房|楼|层|队|社|排|户|门|弄|巷"
_ROOM = "([0-9A-Z])(?:号楼|号院|号房|号|栋|幢|座|单元|室|房|#?楼|层|#|门)"

_AREAS = ("province", "city", "county_name", "township", "village")


class _Sides:
    """Conditions over the columns of two addresses."""

    def __init__(self, column: str) -> None:
        self._column = column
        same_name = f"({self.fits('province')} and {self.fits('city')} and {self.same('county_name')})"
        self.county = f"coalesce({self.same('county')}, {same_name})"
        self.above = f"({self.fits('province')} and {self.fits('city')} and coalesce({self.county}, true))"
        near = f"({self.county} or {self.same('township')} or {self.same('village')})"
        nowhere = " and ".join("(coalesce({}, {}) is null)".format(*self._both(part)) for part in _AREAS)
        a, b = (f"coalesce({column}__village_{of}, '') || {column}__house_{of}" for of in "lr")
        on_street = f"{column}__street_l is not null and ({near} or {self.same('city')} or {nowhere})"
        bare = f"{self._alike('township')} and {self._alike('village')} and {near}"
        unnamed = f"not {self._alike('village')} and {a} = {b} and ({self.county} or {self.same('township')})"
        self.house = f"""{self.above} and {self.fits("township")} and {self.fits("village")}
            and {column}__depth_l = 6 and (
            {self.same("house")} and ({on_street} or {bare}) or {column}__depth_r = 6 and {unnamed})"""
        shared = " or ".join(self._stated(part) for part in _AREAS)
        self.nothing_shared = f"not ({shared} or ({nowhere} and {self._stated('house')}))"

    def same(self, part: str) -> str:
        return "{} = {}".format(*self._both(part))

    def fits(self, part: str) -> str:
        """Equal, or not stated by both."""
        return f"coalesce({self.same(part)}, true)"

    def _both(self, part: str) -> tuple[str, str]:
        return f"{self._column}__{part}_l", f"{self._column}__{part}_r"

    def _stated(self, part: str) -> str:
        return "({} is not null and {} is not null)".format(*self._both(part))

    def _alike(self, part: str) -> str:
        return "({} is not distinct from {})".format(*self._both(part))


class Address(Kind):
    """The kind `address`."""

    def parse(self, raw: str, options: Options) -> str:
        return f"""
        with recursive tidy as materialized (
            select raw, upper(regexp_replace({swap("raw", WIDE, NARROW)}, '\\s+', '', 'g')) as value from {raw}
        ), given as (
            select raw, {_body("value")} as body from tidy
            where not regexp_full_match(value, '{_NOTHING}') and regexp_matches(value, '[\\p{{Han}}0-9A-Z]')
        ), headed as materialized (select raw, body, {head("body")} as head from given
        ), beginning as (select distinct head as word from headed
        ), {_fold("beginning", "heading")}
        ), heads as (select distinct folded as head from heading
        ), {place("heads")}, lower_part as (
            select h.raw, g.folded as head, substr(h.body, p.upto + 1) as rest
            from headed h join heading g on g.word = h.head join place p on p.head = g.folded
        ), towned as (
            select *, regexp_extract(rest, '{_TOWNSHIP}', ['street_town', 'office', 'town', 'form', 'more']) as t
            from lower_part
        ), settled as (
            select raw, head, case when regexp_matches(t.more, '^(?:路|大道|村)(?:[0-9]|$)') and t.office = '' then ''
                                   else concat(t.street_town, t.town) end as town, t.more as more, rest
            from towned
        ), villaged as (
            select raw, head, town, case when town = '' then rest else more end as rest,
                   regexp_extract(case when town = '' then rest else more end, '{_VILLAGE}',
                                  ['village', 'form', 'more']) as v
            from settled
        ), housed as (
            select raw, head, town, case when v.village = '' or regexp_matches(v.more, '{_STREET}') then ''
                                         else v.village end as village, v.more as more, rest
            from villaged
        ), numbered as (
            select raw, head, town, {_han_digits("village")} as village,
                   {_house("case when village = '' then rest else more end")} as house
            from housed
        ), parted as materialized (
            select *, regexp_extract(house, '^[^0-9]+') as street from numbered
        ), part as (
            select distinct unnest([town, village, street]) as word from parted
        ), {_fold("part", "folding")}
        ), whole as (
            select p.raw, h.province, h.city, h.county, h.county_name, h.ambiguous, h.retired,
                   nullif(case when ends_with(t.folded, '族') then regexp_replace(t.folded, '{_OF_PEOPLES}', '\\1')
                               else t.folded end, '') as township, nullif(v.folded, '') as village,
                   case when length(s.folded) > 1 then s.folded end as street,
                   nullif(s.folded || substr(p.house, length(p.street) + 1), '') as house
            from parted p join place h on h.head = p.head join folding t on t.word = p.town
            join folding v on v.word = p.village join folding s on s.word = p.street
        ), measured as (
            select *, case when regexp_matches(house, '[0-9]') then 6 when village is not null then 5
                           when township is not null then 4 when county_name is not null then 3
                           when city is not null then 2 when province is not null then 1 else 0 end::tinyint as depth
            from whole
        )
        select t.raw, case when w.raw is not null then t.value end as value,
               case when coalesce(province, city, county_name, township, village) is not null or depth = 6
                    then concat_ws('|', coalesce(province, ''), coalesce(city, ''), coalesce(county_name, ''),
                                   coalesce(township, ''), coalesce(village, ''), coalesce(house, '')) end as key,
               province, city, county, county_name, township, village, street, house, depth,
               case when w.raw is null then ['address_empty']
                    when ambiguous then ['address_ambiguous']
                    when county is null and retired then ['address_retired', 'address_unresolved']
                    when county is null then ['address_unresolved']
                    when retired then ['address_retired'] else []::varchar[] end as findings
        from tidy t left join measured w using (raw)"""

    def compare(self, column: str, options: Options) -> Comparison:
        of = _Sides(column)
        levels = (
            Level("same_house", of.house, f"{column}__key"),
            Level(
                "same_village", f"{of.above} and {of.fits('township')} and {of.same('village')}", f"{column}__village"
            ),
            Level("same_township", f"{of.above} and {of.same('township')}", f"{column}__township"),
            Level("same_county", of.county, f"{column}__county_name"),
            Level("same_province", f"coalesce({of.same('province')}, {of.same('city')})"),
        )
        return Comparison(of.nothing_shared, levels)

    def agree(self, column: str, options: Options) -> str | None:
        """What both state is the same, down to the deepest part that both state."""
        of = _Sides(column)
        deep = f"({column}__depth_l < 6 or {column}__depth_r < 6 or coalesce({of.house}, false))"
        return f"not ({of.nothing_shared}) and {of.above} and {of.fits('township')} and {of.fits('village')} and {deep}"

    def mask(self, value: str) -> str:
        """The address down to its township."""
        text = value.translate(_READABLE)
        shown = _SHOWN.match(text) or _SHOWN_ABOVE.match(text)
        end = shown.end() if shown else 0
        return value if end == len(value) else value[:end] + "***"


# What a mask shows: names of upper divisions, then at most one township; never a digit.
_UPPER = (
    "(?:[^0-9路街巷村号道][^0-9镇乡路街巷村号道]{0,13}?"
    "(?:[镇乡]?[市县]|省|自治区|州|盟|旗|(?<![小社园街片景厂校院])区)(?![市县区旗]))"
)
_TOWN = (
    "[^0-9省市县区旗号镇乡]{1,9}?(?:街道办事处|街道办|街道|地区办事处)"
    "|[^0-9省市县区旗号][^0-9省市县区旗路巷村号]{0,8}?[路巷村]?(?:(?:镇|乡)(?![市县区])|苏木)"
)
_SHOWN = re.compile(f"{_UPPER}*+(?:{_TOWN})")
_SHOWN_ABOVE = re.compile(f"{_UPPER}++")
_READABLE = str.maketrans(_WRITTEN, _READ.ljust(len(_WRITTEN)))


def _body(value: str) -> str:
    """SQL: the text without notes, labels, separators and words that name no place.

    A `#` parts the 通县 and the 路 of 通县路8号, which is a street and no county.
    """
    body = swap(value, _WRITTEN, _READ)
    body = f"regexp_replace(regexp_replace({body}, '{_NOTE}', '', 'g'), '[(),，、。;|·_]+', '', 'g')"
    body = f"regexp_replace(regexp_replace({body}, '{_LABEL}', ''), '{_COUNTRY}', '\\1')"
    body = f"regexp_replace({body}, '(\\p{{Han}})[-./\\\\—–~:]+', '\\1', 'g')"
    body = f"regexp_replace(regexp_replace({body}, '市?市辖区', '市'), '{_DIRECT}', '\\1\\2')"
    return f"regexp_replace({body}, '([县区市旗])(路[0-9{_NUMERALS}])', '\\1#\\2')"


def _fold(words: str, made: str) -> str:
    """SQL common table expressions: relation `made` (word, folded) of the distinct `word` of relation `words`.

    The last expression is left open.
    """
    return f"""{made}_character as (
            select word, unnest(string_split(word, '')) as char, generate_subscripts(string_split(word, ''), 1) as i
            from {words}
        ), {made}_changed as (
            select distinct word from {made}_character
            join (select char from reference.characters where char <> folded) using (char)
        ), {made} as (
            select word, coalesce(changed.folded, word) as folded from {words} left join (
                select word, string_agg(coalesce(c.folded, char), '' order by i) as folded
                from {made}_character join {made}_changed using (word) left join reference.characters c using (char)
                group by word
            ) changed using (word)"""


def _han_digits(text: str) -> str:
    """SQL: digits as Han numerals, one by one."""
    return f"translate({text}, '0123456789', '〇一二三四五六七八九')"


def _house(text: str) -> str:
    """SQL: street and numbers with one form for every way to write them."""
    run = f"[0-9{_NUMERALS}]*[{_NUMERALS}][0-9{_NUMERALS}]*"
    marked = f"regexp_replace({text}, '({run})({_UNITS})', '<\\1>\\2', 'g')"
    number = "split_part(x, '>', 1)"
    digits = f"translate({number}, '〇零一二三四五六七八九', '00123456789')"
    house = f"""case when regexp_matches({text}, '[{_NUMERALS}](?:{_UNITS})') then array_to_string(list_transform(
        string_split({marked}, '<'), lambda x: case when contains(x, '>')
            then {_counted(digits)} || split_part(x, '>', 2) else x end), '') else {text} end"""
    house = f"regexp_replace({house}, '(?:村民)?小组|村民组', '组', 'g')"
    house = f"regexp_replace(regexp_replace({house}, '第([0-9])', '\\1', 'g'), '{_ROOM}', '\\1-', 'g')"
    house = f"regexp_replace({house}, '[^\\p{{Han}}0-9A-Z]+', '-', 'g')"
    house = f"regexp_replace(regexp_replace({house}, '-(\\p{{Han}})', '\\1', 'g'), '(\\p{{Han}})-', '\\1', 'g')"
    return f"regexp_replace(trim({house}, '-'), '(^|[^0-9])0+([0-9])', '\\1\\2', 'g')"


def _counted(digits: str) -> str:
    """SQL: a numeral of digits, 十 and 百 as digits (二十三 is 23, 三〇二 is 302)."""

    def place_of(mark: str) -> str:
        before = f"try_cast(regexp_extract({digits}, '([0-9]+){mark}', 1) as integer)"
        return f"coalesce({before}, contains({digits}, '{mark}')::integer)"

    ones = f"coalesce(try_cast(regexp_extract({digits}, '[十百]([0-9]+)$', 1) as integer), 0)"
    return f"""case when regexp_matches({digits}, '[十百]')
        then (100 * {place_of("百")} + 10 * {place_of("十")} + {ones})::varchar else {digits} end"""


ADDRESS = Address(
    name="address",
    columns={
        "province": "VARCHAR",
        "city": "VARCHAR",
        "county": "VARCHAR",
        "county_name": "VARCHAR",
        "township": "VARCHAR",
        "village": "VARCHAR",
        "street": "VARCHAR",
        "house": "VARCHAR",
        "depth": "TINYINT",
    },
    findings={
        "address_empty": Finding("error", "没有地址", "text instead of an address"),
        "address_ambiguous": Finding("info", "同名县级区划不止一个", "several counties bear or bore this name"),
        "address_unresolved": Finding("info", "未能确定县级区划", "no county code could be found"),
        "address_retired": Finding("info", "所写县级区划已撤销或更名", "names a county that no longer exists"),
    },
    references=("county_history", "characters"),
    ascii=frozenset({"county"}),
)
