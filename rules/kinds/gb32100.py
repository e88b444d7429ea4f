"""Unified social credit codes by GB 32100-2015 and the organization codes of GB 11714-1997 inside them.

A code is 1 character registering authority + 1 category + 6 digits area of the authority + 9 characters
organization code + 1 check character, of digits and capitals without I O Z S V. Both checks find every single
slip of their own weights: MOD 31 with powers of 3 finds every substitution and every adjacent transposition, so two
valid codes are never one slip apart. The 9 characters are what an organization was called by before 2015.
This module is what the demo and explanations use; `credit_code` computes the same in SQL.
"""

from __future__ import annotations

import re

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
ORG_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
ORG_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
# The check character for 11 - (sum mod 11), from 1 to 11.
ORG_CHECKS = "123456789X0"


def check_character(body17: str) -> str:
    """The 18th character for the first 17 (GB 32100-2015, annex)."""
    if len(body17) != 17 or not set(body17) <= set(ALPHABET):
        raise ValueError("the body of a unified social credit code is 17 digits and capitals without I O Z S V")
    total = sum(ALPHABET.index(char) * weight for char, weight in zip(body17, WEIGHTS, strict=True))
    return ALPHABET[-total % 31]


def org_check_character(body8: str) -> str:
    """The 9th character of an organization code for the first 8 (GB 11714-1997)."""
    if not re.fullmatch("[0-9A-Z]{8}", body8):
        raise ValueError("the body of an organization code is 8 digits and capitals")
    total = sum(ORG_ALPHABET.index(char) * weight for char, weight in zip(body8, ORG_WEIGHTS, strict=True))
    return ORG_CHECKS[10 - total % 11]


def is_valid_org_code(code: str) -> bool:
    """Whether `code` is 9 characters with the right check character."""
    return bool(re.fullmatch("[0-9A-Z]{8}[0-9X]", code)) and org_check_character(code[:8]) == code[8]


def is_valid(code: str) -> bool:
    """Whether `code` is 18 characters of the alphabet and both its checks hold. Nothing is said about the
    authority or the area: categories are added and areas come and go."""
    if len(code) != 18 or not set(code) <= set(ALPHABET) or not code[2:8].isdigit():
        return False
    return check_character(code[:17]) == code[17] and is_valid_org_code(code[8:17])


def credit_code(prefix8: str, org_body8: str) -> str:
    """The whole code for authority, category and area, and the first 8 characters of the organization code."""
    body17 = prefix8 + org_body8 + org_check_character(org_body8)
    return body17 + check_character(body17)
