"""The value kinds by name: the only place where code knows what sort of value a field holds."""

from __future__ import annotations

from rules.kinds.address import ADDRESS
from rules.kinds.base import Kind
from rules.kinds.citizen_id import CITIZEN_ID
from rules.kinds.code import CODE
from rules.kinds.committee_name import COMMITTEE_NAME
from rules.kinds.credit_code import CREDIT_CODE
from rules.kinds.date_kind import DATE
from rules.kinds.division import DIVISION
from rules.kinds.org_name import ORG_NAME
from rules.kinds.person_name import PERSON_NAME
from rules.kinds.phone import PHONE
from rules.kinds.reference import MEMBERS, REFERENCE
from rules.kinds.relation_code import RELATION_CODE
from rules.kinds.text import TEXT

_ALL = (
    ADDRESS,
    TEXT,
    CODE,
    DATE,
    PHONE,
    DIVISION,
    CITIZEN_ID,
    PERSON_NAME,
    COMMITTEE_NAME,
    RELATION_CODE,
    CREDIT_CODE,
    ORG_NAME,
    REFERENCE,
    MEMBERS,
)
KINDS: dict[str, Kind] = {kind.name: kind for kind in _ALL}
