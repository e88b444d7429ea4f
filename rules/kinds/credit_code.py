"""统一社会信用代码 by GB 32100-2015, and what organizations were called by before: organization codes (GB 11714) and
registration numbers.

A code counts only where both its checks hold, the last character's and that of the organization code inside; a
repair of O and I, which the alphabet does not have, is made only where it makes both hold, and is said. The nine
characters of the organization code stayed when the codes of 2015 were given out: `org_code` is the bridge from an old
file to a new one. Authorities, categories and areas are never a reason to refuse: new ones are added, committees
got theirs (54) before most tables knew it. The arithmetic is that of `gb32100`, which is tested to be equal.

An equal code is an equal *legal person*, which may run several institutions and may have branches.

Columns: `uscc` a code that counts; `valid` whether the checks hold, null where there is nothing to check; `org_code`
nine characters, from a code or given alone; `registration_no`; `category` its first two characters (list gb32100);
`authority_area` the division code of the authority at the first coding; `broken` a code that fails.
"""

from __future__ import annotations

import re

from rules.kinds import gb11643
from rules.kinds.base import Comparison, Finding, Kind, Level, Options
from rules.kinds.gb32100 import ALPHABET, ORG_ALPHABET, ORG_CHECKS, ORG_WEIGHTS, WEIGHTS
from rules.kinds.text import NARROW, WIDE, swap

_CYRILLIC, _LATIN = "АВЕКМНРСТУХ", "ABEKMHPCTYX"
_LABEL = (
    "^(?:统一|社会信用|信用|组织|机构|法人|登记|注册|证书)+(?:代码|证?书?编?号码?)证?号?(?:为|是)?[:：]?(.*[0-9].*)$"
)
_SCIENTIFIC = r"[0-9](\.[0-9]+)?E\+?1[0-9]"
_USCC = f"[{ALPHABET}]{{2}}[0-9]{{6}}[{ALPHABET}]{{10}}"


class CreditCode(Kind):
    """The kind `credit_code`."""

    def parse(self, raw: str, options: Options) -> str:
        return f"""
        with tidy as (
            select raw, regexp_replace(
                regexp_replace(upper({swap("raw", WIDE + _CYRILLIC, NARROW + _LATIN)}),
                    '[\\s\\p{{Z}}\\p{{C}}''’‘`"“”]+', '', 'g'), '{_LABEL}', '\\1') as t
            from {raw}
        ), written as (
            select raw, t, regexp_matches(t, '\\p{{Han}}') as worded,
                regexp_replace(t, '[\\p{{Pd}}_.,:;/\\\\·()]+', '', 'g') as c
            from tidy
        ), read as (
            select *, case when length(c) = 18 then translate(c, 'OI', '01') else c end as k,
                case when length(c) = 9 then c end as nine, {_form("t", "c")} as shape
            from written
        ), checked as (
            select *, shape = 'code' and regexp_full_match(k, '{_USCC}') as lettered,
                coalesce(lettered and right(k, 1) = {_last("k")}, false) as last_holds,
                coalesce(length(k) = 18 and substr(k, 17, 1) = {_org_last("substr(k, 9, 8)")}, false) as org_holds,
                coalesce(right(nine, 1) = {_org_last("left(nine, 8)")}, false) as nine_holds,
                coalesce(translate(right(nine, 1), 'OI', '01') = {_org_last("translate(left(nine, 8), 'OI', '01')")},
                    false) as mended_holds
            from read
        ), formed as (
            select *, case when shape = 'code' and last_holds and org_holds then 'uscc'
                when shape = 'code' and {_citizen("c")} then 'citizen'
                when shape = 'code' and not lettered then 'malformed'
                when shape = 'code' and ends_with(c, '000') and regexp_full_match(c, '[0-9]+') then 'excel'
                when shape = 'code' and last_holds then 'org_check'
                when shape = 'code' then 'check'
                when shape = 'nine' and (nine_holds or mended_holds) then 'org'
                when shape = 'nine' then 'org_check'
                else shape end as form
            from checked
        ), valued as (
            select raw, form,
                case when form = 'uscc' then k end as uscc,
                case when form = 'uscc' or (form in ('check', 'excel') and org_holds) then substr(k, 9, 9)
                     when form = 'org' then case when nine_holds then nine else translate(nine, 'OI', '01') end
                     end as org_code,
                case when form = 'registration' then regexp_replace(c, '[第号\\[\\]〔〕【】《》]+', '', 'g')
                     end as registration_no,
                case when form in ('check', 'excel', 'org_check') then k
                     when form = 'malformed' and regexp_full_match(c, '[0-9A-Z]{{17,19}}') then c
                     end as broken,
                form = 'uscc' and k <> c or form = 'org' and not nine_holds as mended
            from formed
        ), area as (select distinct left(code, 4) as area4 from reference.county_history
        ), category as (select code as category from reference.codes where list = 'gb32100')
        select raw, coalesce(uscc, case when form = 'org' then org_code end, registration_no) as value,
            value as key, uscc,
            case when uscc is not null then true when broken is not null then false end as valid,
            org_code, registration_no, left(uscc, 2) as category, substr(uscc, 3, 6) as authority_area, broken,
            list_sort(list_filter([
                case form when 'org' then 'credit_org_code' when 'registration' then 'credit_registration_no'
                    when 'check' then 'credit_check' when 'org_check' then 'credit_org_check'
                    when 'malformed' then 'credit_malformed' when 'placeholder' then 'credit_placeholder'
                    when 'excel' then 'credit_excel' when 'scientific' then 'credit_scientific'
                    when 'citizen' then 'credit_citizen_id' when 'none' then 'credit_not_given' end,
                case when mended then 'credit_repaired' end,
                case when uscc is not null and c.category is null then 'credit_category_unknown' end,
                case when uscc is not null and a.area4 is null and substr(uscc, 3, 6) <> '100000'
                     then 'credit_area_unknown' end], lambda f: f is not null)) as findings
        from valued
        left join area a on a.area4 = substr(uscc, 3, 4)
        left join category c on c.category = left(uscc, 2)"""

    def compare(self, column: str, options: Options) -> Comparison:
        def equal(name: str) -> str:
            return f"{column}__{name}_l = {column}__{name}_r"

        code, registration = (
            " and ".join(f"{given.format(of=of)} is not null" for of in "lr")
            for given in (_code(column), f"{column}__registration_no_{{of}}")
        )
        return Comparison(
            f"not ({code} or {registration})",
            (
                Level("exact", equal("uscc")),
                Level("org_code", equal("org_code")),
                Level("registration", equal("registration_no")),
                Level("one_typo", _one_typo(column)),
            ),
        )

    def mask(self, value: str) -> str:
        """Codes of organizations are public; the number of a person that stands in their place is not."""
        compact = re.sub(r"[^0-9A-Za-z]", "", value).upper()
        return f"{value[0]}{'*' * (len(value) - 2)}{value[-1]}" if gb11643.is_valid(compact) else value


def _form(t: str, c: str) -> str:
    """SQL: what sort of thing the tidy text is; `code` and `nine` are still to be checked."""
    rest = f"length(replace({c}, left({c}, 1), ''))"
    number = f"regexp_full_match({c}, '[0-9]{{5,15}}')"
    return f"""case
        when not regexp_matches({c}, '[0-9]') then case when regexp_full_match({c}, '[0-9A-Z]{{9,}}')
            then 'malformed' else 'none' end
        when worded then case when regexp_full_match({c}, '.*[字证号第登记].*') and regexp_matches({c}, '[0-9]{{3}}')
            then 'registration' else 'malformed' end
        when {rest} <= case when length({c}) > 8 then 1 else 0 end
          or (length({c}) >= 8 and starts_with('123456789012345678', {c}))
          or (length({c}) = 18 and (starts_with({c}, '123456789') or regexp_full_match({c}, '.{{8}}0{{8}}.*')))
        then 'placeholder'
        when regexp_full_match({t}, '{_SCIENTIFIC}') then 'scientific'
        when regexp_full_match({c}, '[0-9A-Z]{{18}}') then 'code'
        when regexp_full_match({c}, '[0-9A-Z]{{8}}[0-9XOI]') then 'nine'
        when {number} then 'registration'
        else 'malformed' end"""


def _last(k: str) -> str:
    """SQL: the 18th character for the first 17 of `k` (GB 32100-2015, annex)."""
    total = " + ".join(
        f"(strpos('{ALPHABET}', substr({k}, {i}, 1)) - 1) * {weight}" for i, weight in enumerate(WEIGHTS, 1)
    )
    return f"substr('{ALPHABET}', 1 + (31 - ({total}) % 31) % 31, 1)"


def _org_last(body: str) -> str:
    """SQL: the 9th character for the 8 of `body` (GB 11714-1997)."""
    total = " + ".join(
        f"(strpos('{ORG_ALPHABET}', substr({body}, {i}, 1)) - 1) * {weight}" for i, weight in enumerate(ORG_WEIGHTS, 1)
    )
    return f"substr('{ORG_CHECKS}', 11 - ({total}) % 11, 1)"


def _citizen(c: str) -> str:
    """SQL: whether the 18 characters are a resident identity number (GB 11643-1999)."""
    total = " + ".join(f"substr({c}, {i}, 1)::integer * {weight}" for i, weight in enumerate(gb11643.WEIGHTS, 1))
    born = f"substr({c}, 7, 4) || '-' || substr({c}, 11, 2) || '-' || substr({c}, 13, 2)"
    return f"""case when regexp_full_match({c}, '[1-9][0-9]{{5}}(18|19|20)[0-9]{{9}}[0-9X]')
            and try_cast({born} as date) is not null
        then right({c}, 1) = substr('{gb11643.CHECK_CHARACTERS}', 1 + ({total}) % 11, 1) else false end"""


def _code(column: str) -> str:
    """SQL: the code of a side, `{of}` to be filled in."""
    return f"coalesce({column}__broken_{{of}}, {column}__uscc_{{of}}, {column}__org_code_{{of}})"


def _one_typo(column: str) -> str:
    """SQL: a code that fails is one substitution, transposition, omission or addition from the other; of a whole
    code and an organization code the nine characters are compared."""
    left, right = (_code(column).format(of=of) for of in "lr")
    a, b = (
        f"case when length({one}) = 18 and length({other}) = 9 then substr({one}, 9, 9) else {one} end"
        for one, other in ((left, right), (right, left))
    )
    return f"""case when {column}__broken_l is null and {column}__broken_r is null then false
        when {left} = {right} then true
        when length({a}) = length({b}) then case hamming({a}, {b}) when 0 then true when 1 then true
            when 2 then damerau_levenshtein({a}, {b}) = 1 else false end
        when abs(length({a}) - length({b})) = 1 then levenshtein({a}, {b}) = 1 else false end"""


CREDIT_CODE = CreditCode(
    name="credit_code",
    columns={
        "uscc": "VARCHAR",
        "valid": "BOOLEAN",
        "org_code": "VARCHAR",
        "registration_no": "VARCHAR",
        "category": "VARCHAR",
        "authority_area": "VARCHAR",
        "broken": "VARCHAR",
    },
    references=("codes", "county_history"),
    ascii=frozenset({"uscc", "org_code", "category", "authority_area", "broken"}),
    findings={
        "credit_check": Finding("error", "校验码不符", "the check character does not fit"),
        "credit_org_check": Finding(
            "error", "组织机构代码的校验码不符", "the check of the organization code does not fit"
        ),
        "credit_malformed": Finding("error", "位数或字符不符", "the wrong length or characters"),
        "credit_placeholder": Finding("error", "占位代码", "a placeholder, not a code"),
        "credit_excel": Finding("error", "后三位被电子表格改写", "a spreadsheet overwrote the last three digits"),
        "credit_scientific": Finding("error", "被写成科学计数法", "scientific notation of a spreadsheet"),
        "credit_citizen_id": Finding("error", "填的是公民身份号码", "the identity number of a person"),
        "credit_repaired": Finding("info", "字母 O、I 已改为数字 0、1", "the letters O, I were read as 0, 1"),
        "credit_org_code": Finding("info", "只有组织机构代码", "an organization code alone"),
        "credit_registration_no": Finding("info", "登记证号,不是信用代码", "a registration number"),
        "credit_category_unknown": Finding("info", "登记管理部门和机构类别不在表中", "an authority of no list"),
        "credit_area_unknown": Finding("info", "登记机关行政区划代码从未启用", "an area that never existed"),
        "credit_not_given": Finding("info", "未填代码", "text instead of a code"),
    },
)
