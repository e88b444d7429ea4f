"""The upper part of an address: which province, city and county its beginning names, as SQL.

The names are those of `reference.county_history`, in force or not, in full, without their suffix or with the short
form of an autonomous unit. A beginning is read as the longest run of such names in which each lies in the one before,
by its code of then or by that of its successor. Where several counties bear or bore the name the code is null:
朝阳区 alone is neither 长春 nor 北京. Names that no list knows are cut by their suffixes and have no code.
"""

from __future__ import annotations

from rules.kinds.base import literal
from rules.kinds.division import NOW

_PEOPLES = (
    "回|藏|维吾尔|苗|彝|壮|布依|朝鲜|满|侗|瑶|白|土家|哈尼|傣|黎|傈僳|佤|畲|高山|拉祜|水|东乡|纳西|景颇|土|仫佬|羌|布朗"
    "|撒拉|毛南|仡佬|阿昌|普米|怒|乌孜别克|俄罗斯|鄂温克|德昂|保安|裕固|京|塔塔尔|独龙|赫哲|门巴|珞巴|基诺|各"
)
_WITHOUT_ZU = "蒙古|哈萨克|柯尔克孜|锡伯|塔吉克|达斡尔|鄂伦春"
PEOPLES = f"(?:(?:{_PEOPLES}|{_WITHOUT_ZU})族|{_WITHOUT_ZU})"
_AUTONOMOUS = f"^(.+?){PEOPLES}+自治([州县旗])$"
_PROVINCE = "(?:省|市|(?:壮族|回族|维吾尔)?自治区|特别行政区)$"

# Short forms that no rule gives: the name, the code.
_ALIASES = {
    "内蒙": "150000",
    "内蒙古区": "150000",
    "克州": "653000",
    "巴州": "652800",
    "博州": "652700",
    "锡盟": "152500",
    "阿盟": "152900",
    "神农架": "429021",
}
_MUNICIPALITIES = "('11', '12', '31', '50')"

# What may not follow a name without its suffix: then it is part of the name of a street or house (南京路, 北京饭店).
_STREET = (
    "^[东西南北中新老一二三四五]{0,2}(?:路|街|大街|大道|道|巷|里|胡同|弄|村|新村|镇|乡|小区|社区|花园|家园|苑|广场|大厦"
    "|市场|宾馆|饭店|酒店)"
)
_TOWNSHIP_NEXT = "^[^0-9路街巷村号]{2,6}(?:镇|乡|街道|苏木)"

# Suffixes by which unknown names are cut, and words that only look as if they ended in one.
_NOT_IN_NAME = "0-9A-Z省镇乡村路街道巷号弄栋组县区市旗#-"
_NO_DISTRICT = (
    "(小|社|园|街|片|景|厂|校|院|库|矿|林|山|工业|生活|家属|宿舍|商业|住宅|居住|别墅|保护|[A-Z东西南北中一二三四五六七八九十])区"
    "|(超|门|夜|菜)市|(红)旗|[县区市旗](#)"
)
_UNKNOWN_PROVINCE = f"[^{_NOT_IN_NAME}]{{2,7}}(?:省|自治区)"
_UNKNOWN_CITY = f"[^{_NOT_IN_NAME}]{{2,9}}(?:市|自治州|地区)"
_UNKNOWN_COUNTY = f"[^{_NOT_IN_NAME}]{{1,10}}县市?|[^{_NOT_IN_NAME}]{{2,10}}(?:区|市|旗)"


def head(text: str) -> str:
    """SQL: the beginning of an address that is long enough to hold all of its upper part."""
    return f"regexp_extract({text}, '^[^0-9]{{0,10}}(?:[^0-9]{{0,18}}[省市县区旗州盟])?')"


def place(heads: str) -> str:
    """SQL of common table expressions, the last of which is `place`: one row per row of relation `heads`.

    `heads` has one column `head` (distinct). `place` has `head`, `upto` (characters read), `province`, `city`,
    `county_name` (the names of today where they are known), `county` (six digits), `named` (a county is named),
    `ambiguous` and `retired`. The expressions are recursive.
    """
    aliases = ", ".join(f"({literal(name)}, '{code}')" for name, code in _ALIASES.items())
    return f"""{NOW}, officially as (
            select code, name from reference.county_history where until is null
        ), dated as (
            select code, name, case level when 'province' then 1 when 'prefecture' then 2 else 3 end as level,
                   until is null as alive, list_filter(string_split(coalesce(successors, ''), ';'),
                                                       lambda s: s <> '' and not contains(s, '[')) as next
            from reference.county_history
        ), lasting as (
            select d.code, d.name, d.level, d.alive,
                   case when d.alive or d.level < 3 and l.until is null then d.code
                        when d.level < 3 or len(d.next) <> 1 then null
                        when n.until is null then d.next[1]
                        when not p.lost then p.county_now end as now
            from dated d join latest l on l.code = d.code left join latest n on n.code = d.next[1]
            left join present p on p.code = d.next[1]
        ), standing as (
            select l.*, l.alive or coalesce(o.name = l.name, false) as stands
            from lasting l left join officially o on o.code = l.now
        ), worded as (
            select *, case when level = 1 then name
                      else regexp_replace(regexp_replace(name, {literal(_AUTONOMOUS)}, '\\1\\2'),
                                          '族?自治([州县旗])$', '\\1') end as short,
                   level = 2 and name in (select name from lasting where level = 1) as within
            from standing
            union all
            select left(code, 2) || '0100', name, 2, true, code, true, name, true from standing
            where level = 1 and left(code, 2) in {_MUNICIPALITIES}
        ), spelled as (
            select *, unnest([
                {{'text': name, 'whole': true}}, {{'text': short, 'whole': true}},
                {{'text': case when level = 1 then regexp_replace(name, {literal(_PROVINCE)}, '') || '自治区'
                          end, 'whole': true}},
                {{'text': case level when 1 then regexp_replace(name, {literal(_PROVINCE)}, '')
                                    when 2 then regexp_replace(short, '(?:市|地区|州|盟)$', '')
                                    else regexp_replace(short, '[县市旗]$', '') end, 'whole': false}}]) as said
            from worded
            union all
            select w.*, {{'text': a.alias, 'whole': w.level > 1}}
            from (values {aliases}) a (alias, code) join worded w on w.code = a.code and w.alive
        ), unit as materialized (
            select said.text as text, left(said.text, 2) as start, length(said.text) as size,
                   bool_or(said.whole) as whole, level, code, name, alive, now, stands, within,
                   case when level = 1 or code like '__01__' and within then left(code, 2)
                        when level = 2 then left(code, 4) end as scope
            from spelled where length(said.text) >= 2
            group by all
        ), lone as (
            select code from officially o where code like '____00' and code not like '__0000' and not exists (
                select 1 from officially c where left(c.code, 4) = left(o.code, 4) and c.code <> o.code)
        ), path as (
            select h.head, u.size as upto, 1 as depth, u.level, u.whole, u.scope, u.code, u.name, u.alive, u.now,
                   u.stands, case when u.level = 1 then left(u.code, 2) end as province,
                   case when u.level = 2 then u.code end as city,
                   case when u.level = 2 then u.name end as city_name, u.level = 2 and u.alive as city_alive, 1 as fit
            from {heads} h join unit u on u.start = left(h.head, 2) and starts_with(h.head, u.text) and not u.within
            union all
            select p.head, p.upto + u.size, p.depth + 1, u.level, u.whole, u.scope, u.code, u.name, u.alive, u.now,
                   u.stands, p.province, coalesce(p.city, case when u.level = 2 then u.code end),
                   coalesce(p.city_name, case when u.level = 2 then u.name end),
                   p.city_alive or u.level = 2 and u.alive,
                   case when p.level = 2 and u.alive and starts_with(u.code, p.scope) then 2
                        when starts_with(u.code, p.scope) or starts_with(u.now, p.scope) then p.fit else 0 end
            from path p join unit u on u.start = substr(p.head, p.upto + 1, 2) and u.level > p.level
                 and starts_with(substr(p.head, p.upto + 1), u.text)
            where starts_with(u.code, p.scope) or coalesce(starts_with(u.now, p.scope), false)
                  or p.level = 2 and not p.alive and left(coalesce(u.now, u.code), 2) = left(p.code, 2)
        ), ended as (
            select *, substr(head, upto + 1) as after from path
        ), sound as (
            select * from ended
            where case when whole then not starts_with(after, '#')
                            and not (depth = 1 and level = 3 and regexp_full_match(name, '.区'))
                       when level = 3 then depth > 1 and (after = '' or regexp_matches(after, '{_TOWNSHIP_NEXT}'))
                       else (level = 1 or depth > 1) and not regexp_matches(after, '{_STREET}') end
        ), furthest as (
            select *, first_value(level) over ranked as best_level, first_value(fit) over ranked as best_fit,
                   bool_or(alive and not ends_with(name, '区')) over (partition by head, level, left(code, 2))
                   or bool_or(alive) over (partition by head, level, left(code, 4)) as kin
            from (select * from sound qualify upto = max(upto) over (partition by head))
            window ranked as (partition by head order by fit desc, alive desc, level desc)
        ), known as (
            select head, min(upto) as upto, min(level) as level, min(name) as name, min(now) as now,
                   count(distinct now) as nows, bool_or(now is null and not kin) as lost,
                   not bool_or(stands) as retired, min(province) as said_province,
                   arg_max(city, city_alive) as said_city, arg_max(city_name, city_alive) as said_city_name,
                   bool_or(city_alive) as city_alive,
                   case when count(distinct left(now, 2)) = 1 and not lost then min(left(now, 2)) end as home,
                   case when count(distinct left(now, 4)) = 1 and not lost then min(left(now, 4)) end as seat
            from furthest where level = best_level and fit = best_fit group by head
        ), coded as (
            select k.*, k.level = 3 and (nows > 1 or nows = 1 and lost) as ambiguous,
                   case when level = 3 and nows = 1 and not lost then now when l.code is not null then l.code
                   end as county,
                   coalesce(home, said_province, case when city_alive then left(said_city, 2) end) as province_code,
                   case when level > 1 then coalesce(seat || '00', said_city) else now end as city_code
            from known k left join lone l on l.code = k.now
        ), titled as (
            select c.head, c.upto, c.level, c.county, c.ambiguous, c.level = 3 and c.retired as retired,
                   p.name as province,
                   case when c.province_code in {_MUNICIPALITIES} then p.name
                        when c.level > 1 then coalesce(t.name, c.said_city_name) end as city,
                   coalesce(n.name, case when c.level = 3 then c.name end) as county_name
            from coded c left join officially p on p.code = c.province_code || '0000'
            left join officially t on t.code = c.city_code left join officially n on n.code = c.county
        ), left_over as (
            select h.head, coalesce(t.upto, 0) as upto, t.province, t.city, t.county, t.county_name,
                   t.ambiguous, t.retired,
                   regexp_replace(case when t.county_name is null then substr(h.head, coalesce(t.upto, 0) + 1) end,
                                  '{_NO_DISTRICT}', '\\1\\2\\3\\4#', 'g') as shape
            from {heads} h left join titled t using (head)
        ), cut as (
            select *, case when city is null then regexp_extract(shape, '^({_UNKNOWN_PROVINCE})?({_UNKNOWN_CITY})?'
                                                  || '({_UNKNOWN_COUNTY})?', ['province', 'city', 'county'])
                           else regexp_extract(shape, '^()()({_UNKNOWN_COUNTY})?', ['province', 'city', 'county'])
                      end as unknown
            from left_over
        ), place as (
            select head, upto + length(concat(unknown.province, unknown.city, unknown.county)) as upto,
                   coalesce(province, nullif(unknown.province, '')) as province,
                   coalesce(nullif(unknown.city, ''), city) as city,
                   county, coalesce(county_name, nullif(unknown.county, '')) as county_name,
                   coalesce(ambiguous, false) as ambiguous, coalesce(retired, false) as retired
            from cut
        )"""
