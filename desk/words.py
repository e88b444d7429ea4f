"""What the engine says in words of its own and a page shows: each with the English that is translated.

`N_` marks a string for the catalogue without translating it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from desk.language import Translate


def N_(text: str) -> str:
    return text


ROLES: Mapping[str, str] = {
    "reader": N_("reader"),
    "steward": N_("steward"),
    "approver": N_("approver"),
    "rule_maintainer": N_("rule maintainer"),
    "system_administrator": N_("system administrator"),
    "security_administrator": N_("security administrator"),
    "audit_administrator": N_("audit administrator"),
}
STATES: Mapping[str, str] = {
    "confirmed": N_("confirmed"),
    "agreed": N_("agreed"),
    "single_source": N_("single source"),
    "disputed": N_("disputed"),
    "invalid": N_("invalid"),
    "stale": N_("stale"),
}
RULES: Mapping[str, str] = {
    "authority": N_("lead source"),
    "recency": N_("most recent"),
    "validity": N_("valid"),
    "agreement": N_("most sources agree"),
    "majority": N_("most records agree"),
    "completeness": N_("most complete"),
    "steward_decision": N_("steward's decision"),
    "unanimous": N_("all agree"),
    "sole": N_("the only one"),
}
KINDS: Mapping[str, str] = {
    "same": N_("same"),
    "different": N_("different"),
    "unsure": N_("unsure"),
    "value": N_("value chosen"),
    "split": N_("split"),
    "merge": N_("merge"),
    "pin": N_("pin"),
    "answer": N_("answer to a ticket"),
    "unmask": N_("clear text"),
}
EVENTS: Mapping[str, str] = {
    "created": N_("created"),
    "changed": N_("changed"),
    "merged": N_("merged"),
    "split": N_("split off"),
    "retired": N_("retired"),
    "revived": N_("revived"),
    "unchanged": N_("unchanged"),
}
TICKETS: Mapping[str, str] = {
    "open": N_("open"),
    "sent": N_("sent"),
    "corrected": N_("corrected"),
    "upheld": N_("upheld"),
    "rejected": N_("rejected"),
    "escalated": N_("escalated"),
    "closed": N_("closed"),
    "opened": N_("opened"),
    "reopened": N_("opened again"),
}
LIVES: Mapping[str, str] = {
    "active": N_("active"),
    "merged": N_("merged"),
    "split": N_("split"),
    "retired": N_("retired"),
}
ANSWERS: Mapping[str, str] = {
    "existing": N_("It is there already: one golden record is it."),
    "steward": N_("In doubt: ask a steward before a record is created."),
    "new": N_("Nothing comes near: it may be created."),
}
VERDICTS: Mapping[str, str] = {
    "accept": N_("would be merged"),
    "review": N_("in doubt"),
    "guard": N_("held back by a rule"),
}
# Why something waits (linkage/waiting.py): patterns, and the sentence of a page.
_REASONS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"a guard of the rules holds it back"), N_("a rule holds it back")),
    (re.compile(r"the weight is in doubt"), N_("the weight is in doubt")),
    (re.compile(r"a steward pinned one of the entities"), N_("a steward pinned one of the entities")),
    (
        re.compile(r"two values of (?P<column>.+) in one cluster"),
        N_("together they would have two values of %(column)s"),
    ),
    (
        re.compile(r"decided '(?P<kind>\w+)' before, and a record changed since"),
        N_("decided “%(kind)s” before, and a record changed since"),
    ),
)
# Why a decision needs a second person (golden_records/second_person.py).
_NEEDS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"clear text is shown .*"), N_("clear text is shown to whom two people agreed to show it")),
    (re.compile(r"(?P<field>\S+) identifies: .*"), N_("%(field)s identifies: no one person overrides it")),
    (
        re.compile(r"a merge of (?P<count>\d+) confirmed golden records: (?P<ids>.+)"),
        N_("a merge of %(count)s confirmed golden records: %(ids)s"),
    ),
)


def reason(text: str, translate: Translate) -> str:
    """Why something waits, in the language of the page."""
    return "；".join(_said(part, _REASONS, translate) for part in text.split("; "))


def needs(text: str, translate: Translate, title: Callable[[str], str] = str) -> str:
    """Why a decision needs a second person, in the language of the page; `title` says what a field is called."""
    return _said(text, _NEEDS, translate, title)


def word(known: Mapping[str, str], name: str | None, translate: Translate) -> str:
    """The word for a name of the engine; one without a word stands for itself."""
    return "" if name is None else translate(known[name]) if name in known else name


def _said(
    text: str,
    patterns: tuple[tuple[re.Pattern[str], str], ...],
    translate: Translate,
    title: Callable[[str], str] = str,
) -> str:
    for pattern, sentence in patterns:
        found = pattern.fullmatch(text)
        if found:
            values = found.groupdict()
            if "kind" in values:
                values["kind"] = word(KINDS, values["kind"], translate)
            if "field" in values:
                values["field"] = title(values["field"])
            return translate(sentence, **values)
    return text
