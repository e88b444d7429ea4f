"""Names of social organizations, private non-enterprise units, foundations and service institutions.

《社会组织名称管理办法》 (2024) says what a name is made of: division + 字号 or members + trade + legal form, and
behind it, for a branch, the branch. A name is read in that order from both ends; the words are in
`reference.org_words`, the divisions in `reference.county_history`. A division in short (佛山 for 佛山市) is one
only where a name remains: 安康养老院 bears no place. 中国X, 北京X and X are three organizations. A branch has no
legal personality: it is related to its parent and never equal to it, nor are two branches of one parent.

Columns: `key` the whole name, characters folded, without brackets; `core` what stands between the division and
the trade; `toneless` the syllables of core and trade; `area` the deepest division, as the history writes it (中国
for national ones); `area_code` its code, or that of the one above it, where one code fits; `trade`; `form` and
`class` the legal form and its group, of a branch those of its parent; `branch` the words behind the parent's name;
`parent` the key of that name; `around` a LIKE pattern of longer names that hold core and trade.
"""

from __future__ import annotations

from rules.kinds.base import Comparison, Finding, Kind, Level, Options, literal
from rules.kinds.text import NARROW, WIDE, swap

_BRACKETS, _ROUND = "【〔〈《{「［｛<[】〕〉》}」］｝>]", "((((((((((" + "))))))))))"
_DIGITS, _NUMERALS = "0123456789", "〇一二三四五六七八九"
# A note behind the name: its state, an earlier or a shorter name.
_NOTE = (
    r"(?:筹|筹建|筹备|筹备组|已?注销|已?撤销|已?吊销|停业|暂停|民非|社团|慈善组织|民办非企业单位|社会团体"
    r"|(?:原|曾用名|更名|又名|简称|加挂)[^()]*|[0-9]+)"
)
# Divisions that the history does not know: zones, divisions of tests, townships. Words that only end like one.
_LOCAL = "^(\\p{Han}{2,7}?(?:省|市|县|区|旗|盟|自治州))[^场民政长容值域块际内间旧新委]"
_TOWNSHIP = "^(\\p{Han}{1,4}?(?:[^城]镇(?:街道)?|[^同故家老城水]乡|街道|苏木))[^化村愁镇贤建情土亲会办]"
_NO_DIVISION = "[社小城地校园山灾都景老战库片功学院厂街特林牧郊市辖超门集跨]区$|[都城超门集夜]市$|[联同结]盟$|红旗$"
_NATIONS = "(?:(?:蒙古|回|藏|维吾尔|苗|彝|壮|布依|朝鲜|土家|哈尼|哈萨克|傣|黎|傈僳|羌|侗|景颇|白|柯尔克孜)族?)*"
_SHORT = f"^(.{{2,}}?)(?:特别行政区|(?:维吾尔|壮族|回族)?自治区|省|市|地区|盟|{_NATIONS}自治州)$"
_UNNAMED = "'市辖区', '县', '城区', '郊区', '矿区', '市区', '新区'"
_STEPS = 3


class OrgName(Kind):
    """The kind `org_name`."""

    def parse(self, raw: str, options: Options) -> str:
        clean = swap("raw", WIDE + _BRACKETS, NARROW + _ROUND)
        return f"""
        with tidy as (
            select raw, regexp_replace({clean}, '[\\s\\p{{Z}}\\p{{C}}\\p{{Pd}}·•・.,。、;:!?*_"“”‘’''`]+', '', 'g')
                as value
            from {raw}
        ), said as (
            select raw, value, regexp_replace(value, '(\\({_NOTE}\\))+$', '') as said from tidy
        ), noted as (
            select *, not regexp_matches(said, '[\\p{{Han}}A-Za-z]{{2}}') or starts_with(said, '测试')
                or said in (select text from reference.not_names) as refused
            from said
        ), plain as (
            select *, translate(upper(regexp_replace(said, '[()]', '', 'g')), '{_DIGITS}', '{_NUMERALS}') as text
            from noted where not refused
        ), {_folded("plain", "text", "whole")}, named as (
            select distinct w.folded as written, coalesce(arg_max(left(w.folded, length(w.folded) - length(s.word))
                || s.means, length(s.word)), w.folded) as name
            from whole w left join reference.org_words s on s.role = 'short' and ends_with(w.folded, s.word)
            group by w.folded
        ), {_branches()}, headed as (select distinct head from branched
        ), {_divisions()}, formed as (
            select l.*, coalesce(f.word, '') as word, f.means as form, f.class
            from located l left join (
                select head, word, means, class from located
                join reference.org_words on role = 'form' and ends_with(head, word)
                qualify row_number() over (partition by head order by length(word) desc, word) = 1) f using (head)
        ), bodied as (
            select *, {_between("soft_end")} as soft_body, {_between("firm_end")} as firm_body from formed
        ), chosen as (
            select *, soft_body <> '' and (coalesce(class in ('association', 'foundation'), false)
                or soft_body not in (select word from reference.org_words where role = 'trade')) as soft
            from bodied
        ), cut as (
            select head, form, class, case when soft then soft_body else firm_body end as body,
                case when soft then soft_area else firm_area end as area,
                case when soft then soft_code else firm_code end as area_code
            from chosen
        ), traded as (
            select c.*, t.means as trade, left(body, length(body) - length(coalesce(t.word, ''))) as core
            from cut c left join (
                select head, word, means from cut
                join reference.org_words on role = 'trade' and ends_with(body, word) and length(body) > length(word)
                where cut.class is distinct from 'association'
                qualify row_number() over (partition by head order by length(word) desc, word) = 1) t using (head)
        ), joined as (
            select *, core || coalesce(trade, '') as stem from traded
        ), {_folded("joined", "stem", "sounded")}
        select raw, value, name as key, nullif(core, '') as core, case when sounding then toneless end as toneless,
            area, nullif(area_code, area) as area_code, trade, form, class, branch, parent,
            case when length(stem) > 1 then regexp_replace(stem, '(.)', '%\\1', 'g') || '%' end as around,
            list_sort(list_filter([
                case when form is null then 'org_form_missing' end,
                case when branch is not null then 'org_branch' end,
                case when value <> said then 'org_note' end], lambda f: f is not null)) as findings
        from plain join (select text, folded as written from whole) using (text) join named using (written)
        join branched using (name) join joined using (head)
        left join (select text as stem, toneless, sounding from sounded) using (stem)
        union all
        select raw, {", ".join(["null"] * (2 + len(self.columns)))}, ['org_not_a_name'] from noted where refused"""

    def compare(self, column: str, options: Options) -> Comparison:
        def equal(name: str, other: str = "") -> str:
            return f"{column}__{name}_l = {column}__{other or name}_r"

        def alike(name: str) -> str:
            return f"{column}__{name}_l is not distinct from {column}__{name}_r"

        codes = [f"{column}__area_code_{of}" for of in "lr"]
        nested = " or ".join(f"starts_with({a}, {b})" for a, b in (codes, codes[::-1]))
        same_area = f"{alike('area')} and coalesce({nested}, true)"
        same_branch, same_form = alike("branch"), alike("form")
        same_core = f"{alike('core')} and {alike('trade')}"
        stems = [f"({column}__core_{of} || coalesce({column}__trade_{of}, ''))" for of in "lr"]
        within = f"({stems[0]} like {column}__around_r or {stems[1]} like {column}__around_l)"
        related = f"{equal('parent')} or {equal('parent', 'key')} or {equal('key', 'parent')}"
        told = f"coalesce({column}__core_l, {column}__area_l) is not null"
        return Comparison(
            f"{column}__key_l is null or {column}__key_r is null",
            (
                Level("exact", equal("key"), f"{column}__key"),
                Level(
                    "parts",
                    f"{same_core} and {same_form} and {same_area} and {same_branch} and {told}",
                    f"{column}__core",
                ),
                Level(
                    "toneless",
                    f"{equal('toneless')} and {same_form} and {same_area} and {same_branch}",
                    f"{column}__toneless",
                ),
                Level("abbreviated", f"{within} and {same_form} and {same_area} and {same_branch}"),
                Level(
                    "branch",
                    f"{column}__branch_l is distinct from {column}__branch_r and ({related} "
                    f"or {same_core} and {same_form} and {same_area})",
                ),
                Level("core", f"{equal('core')} and length({column}__core_l) > 1 and {same_branch}"),
            ),
        )

    def mask(self, value: str) -> str:
        """The names of organizations are public."""
        return value


def _folded(relation: str, column: str, name: str) -> str:
    """SQL: relation `name` (text, folded, toneless, sounding) over the distinct texts of a column."""
    chars = f"string_split({column}, '')"
    return f"""{name} as (
            select {column} as text, coalesce(string_agg(coalesce(c.folded, char), '' order by i), '') as folded,
                string_agg(coalesce(c.toneless, char), ' ' order by i) as toneless,
                bool_and(c.toneless is not null) as sounding
            from (
                select {column}, unnest({chars}) as char, generate_subscripts({chars}, 1) as i
                from (select distinct {column} from {relation})
            ) left join reference.characters as c using (char)
            group by {column}
        )"""


def _branches() -> str:
    """SQL: relation `branched` (name, head, branch, parent): the branch behind the last form of a parent.

    Behind an association everything is its branch; behind another form only where no association is in front.
    代表处 or 分院 are branches of whatever stands in front of them, 委员会 or 办事处 only of a form.
    """
    return """marked as (
            select name, word, class as sort, left(name, length(name) - length(word)) as front
            from (select distinct name from named) join reference.org_words on role = 'branch' and ends_with(name, word)
            where length(name) - length(word) > 2
            qualify row_number() over (partition by name order by length(word) desc, word) = 1
        ), anchored as (
            select name, begins + length(f.word) - 1 as ends
            from (select name, front, unnest(range(2, length(front) + 1)) as begins from marked) m
            join reference.org_words f on f.role = 'form' and starts_with(substr(front, begins), f.word)
            where substr(name, begins + length(f.word), 1) not in ('计', '员', '议', '长')
            qualify row_number() over (
                partition by name order by f.class in ('association', 'foundation') desc, ends desc) = 1
        ), split as (
            select name, case when ends is not null then left(name, ends) when sort = 'alone' then front end as parent
            from marked left join anchored using (name)
        ), branched as (
            select name, coalesce(parent, name) as head, substr(name, length(parent) + 1) as branch, parent
            from (select distinct name from named) left join split using (name)
        )"""


def _divisions() -> str:
    """SQL: relation `located` (head, and end, area and code of the division in front): `firm` where the history
    spells it out, `soft` with divisions in short, unknown ones and townships behind it."""
    steps = ", ".join(
        f"""step{i} as (
            select s.head, s.ends + size as ends, p.prefix, p.area, p.firm, p.ended
            from step{i - 1} s cross join range(2, 16) as n(size)
            join place p on p.name = substr(s.head, s.ends + 1, size)
            where s.ends + size < length(s.head) and starts_with(p.prefix, s.prefix) and p.prefix <> s.prefix
            qualify s.ends + size = max(s.ends + size) over (partition by s.head)
        )"""
        for i in range(1, _STEPS + 1)
    )
    zone1, zone2, zone3 = (
        f"case when regexp_matches({local}, {literal(_NO_DIVISION)}) then '' else {local} end"
        for rest in ("rest", "substr(rest, length(zone1) + 1)", "substr(rest, length(zone1 || zone2) + 1)")
        for local in (f"regexp_extract({rest}, {literal(_LOCAL)}, 1)",)
    )
    reached = " union all ".join(f"select * from step{i}" for i in range(1, _STEPS + 1))
    return f"""place as (
            select distinct name, name as area, true as firm, {_PREFIX} as prefix, {_ENDED} as ended
            from reference.county_history where name not in ({_UNNAMED}) and length(name) > 1
            union
            select regexp_extract(name, {literal(_SHORT)}, 1), name, false, {_PREFIX}, {_ENDED}
            from reference.county_history where level <> 'county' and length(name) > 2
            union select word, word, false, word, false from reference.org_words where role = 'scope'
        ), step0 as (select head, 0 as ends, '' as prefix, '' as area, true as firm from headed
        ), {steps}, reached as (
            select head, ends, area, firm, prefix, ended from ({reached})
        ), best as (
            select head, firm, ends, area, case when count(distinct prefix) = 1 then min(prefix) end as code
            from (
                select *, rank() over (partition by head, firm order by ends desc, length(prefix), ended, area) as nth
                from reached)
            where nth = 1 group by all
        ), known as (
            select head, coalesce(f.ends, 0) as firm_end, f.area as firm_area, f.code as firm_code,
                case when s.ends > firm_end then s.ends else firm_end end as known_end,
                case when s.ends > firm_end then s.area else f.area end as known_area,
                case when s.ends > firm_end then s.code else f.code end as known_code
            from headed left join (from best where firm) f using (head)
            left join (from best where not firm) s using (head)
        ), zoned as (
            select *, case when known_code is null and known_area is not null or length(known_code) not in (2, 4)
                  or known_area = known_code then '' else {zone1} end as zone1,
                case when zone1 = '' then '' else {zone2} end as zone2,
                case when zone2 = '' then '' else {zone3} end as zone3,
                zone1 || zone2 || zone3 as zone,
                case when known_area = known_code then ''
                    else regexp_extract(substr(rest, length(zone) + 1), {literal(_TOWNSHIP)}, 1) end as township
            from (select *, substr(head, known_end + 1) as rest from known)
        ), located as (
            select head, firm_end, firm_area, firm_code, known_end + length(zone) + length(township) as soft_end,
                coalesce(nullif(township, ''), nullif(zone3, ''), nullif(zone2, ''), nullif(zone1, ''), known_area)
                    as soft_area, known_code as soft_code
            from zoned
        )"""


_ENDED = "coalesce(until, '') <> ''"
_PREFIX = "case level when 'province' then left(code, 2) when 'prefecture' then left(code, 4) else code end"


def _between(end: str) -> str:
    """SQL: what stands between the division and the form."""
    return f"substr(head, {end} + 1, greatest(length(head) - {end} - length(word), 0))"


ORG_NAME = OrgName(
    name="org_name",
    columns={
        "core": "VARCHAR",
        "toneless": "VARCHAR",
        "area": "VARCHAR",
        "area_code": "VARCHAR",
        "trade": "VARCHAR",
        "form": "VARCHAR",
        "class": "VARCHAR",
        "branch": "VARCHAR",
        "parent": "VARCHAR",
        "around": "VARCHAR",
    },
    references=("characters", "county_history", "org_words", "not_names"),
    ascii=frozenset({"toneless", "area_code"}),
    findings={
        "org_not_a_name": Finding("error", "不是机构名称", "not a name of an organization"),
        "org_form_missing": Finding("info", "名称中没有组织形式", "no legal form in the name"),
        "org_branch": Finding("info", "分支机构或代表机构,没有法人资格", "a branch, which has no legal personality"),
        "org_note": Finding("info", "名称后有注记", "a note behind the name"),
    },
)
