"""Why something was refused, in the language of a page: the English of the engine, and where its words stand.

The engine and the API speak English. A page shows a refusal by its sentence here, which the catalogue translates; its
places are what the engine filled in. A test reads the modules behind the pages and finds each of their refusals here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from desk.language import Translate
from desk.words import KINDS, N_, ROLES, word

# The most particular first: the first whose words fit is taken.
_REFUSALS: tuple[str, ...] = (
    N_("say who asks: send a token as 'Authorization: Bearer …', or sign in at /login"),
    N_("the token is not one in force; 'shuyuan token' makes one"),
    N_("the session has ended; sign in again at /login"),
    N_("the session is not one of this server; sign in again at /login"),
    N_("the form is from another session; load the page again"),
    N_("too many wrong tokens; wait"),
    N_("too many requests; ask again later"),
    N_("%(header)s counts only from a proxy that 'shuyuan serve --trust-proxy' names"),
    N_("the proxy sent an empty %(header)s"),
    N_("what the proxy grants to %(name)s cannot be used: %(why)s"),
    N_("%(name)s (%(roles)s) may not %(action)s; ask the security administrator for a grant that has it"),
    N_("golden records of %(name)s are not in what was granted"),
    N_("field %(field)s of %(entity)s is not in what was granted"),
    N_("%(golden_id)s is not in the regions that were granted"),
    N_("the rules lack entity type %(entity)s: nothing says how to mask it"),
    N_("this item is not in the entity types and regions that were granted"),
    N_("ticket %(number)s is not in the entity types, fields and regions that were granted"),
    N_("decision %(number)s is about an entity type that was not granted"),
    N_("release %(release)s has no entity type %(entity)s that was granted"),
    N_("no golden record that was granted holds this record of %(source)s"),
    N_("%(what)s is whole; a grant limited to regions or attributes does not have it"),
    N_("clear text needs a second person: decision %(number)s waits for one; ask again when it is confirmed"),
    N_("decision %(number)s is not %(name)s's; who made it takes it back"),
    N_("decision %(number)s is %(name)s's own; a second, different person confirms it"),
    N_("decision %(number)s does not wait for a second person"),
    N_("no decision %(number)s waits for a second person; 'shuyuan decide list' tells"),
    N_("no decision %(number)s in force; 'shuyuan decide list' shows them"),
    N_("there is no decision %(number)s; 'shuyuan decide list' shows them"),
    N_("a confirmation needs a reason"),
    N_("a decision needs a reason"),
    N_(
        "%(records)s: %(name)s decided %(kind)s at %(moment)s (decision %(number)s) while you looked at "
        "them; look again, and withdraw that decision if you know better"
    ),
    N_("%(records)s: %(name)s holds this until %(moment)s; take another one"),
    N_("%(records)s: does not wait any more since the last run; look again"),
    N_("%(records)s: says something else than you saw since the last run; look again"),
    N_("a claim needs a steward and a count of 1 or more"),
    N_("%(name)s would hold more than %(most)s items; answer or release some first"),
    N_("nothing with the key %(key)s waits"),
    N_("nothing with the key %(key)s waits; 'shuyuan review --json' shows the keys"),
    N_("tick the items that others may take"),
    N_("no line of business %(line)s; the rules have %(known)s"),
    N_("no entity type %(entity)s; the rules have %(known)s"),
    N_("no entity type %(entity)s; there are %(known)s"),
    N_("release %(release)s has no entity type %(entity)s; it has %(known)s"),
    N_("release %(release)s has no entity type %(entity)s"),
    N_("no field %(field)s in %(entities)s"),
    N_("no field %(field)s; there are %(known)s"),
    N_("%(entity)s has no field %(field)s; known are %(known)s"),
    N_("kind %(kind)s: expected one of %(known)s"),
    N_("%(kind)s is about two different source records, found %(count)s"),
    N_("'merge' needs two or more source records"),
    N_("%(kind)s needs a source record"),
    N_("%(kind)s is about one source record, found %(count)s"),
    N_("'value' needs a payload with field and value"),
    N_("'answer' needs a payload with ticket, field and answer"),
    N_("'split' needs two or more groups that hold each of its source records once"),
    N_("a word about a plan needs a reason"),
    N_("release %(release)s was published, or another since it was planned; plan again"),
    N_("decision %(number)s of %(name)s is in this plan; somebody who decided nothing in it approves it"),
    N_("the plan of release %(release)s needs %(count)s approvals and no refusal"),
    N_("nothing is planned"),
    N_("the plan is another one by now; look at it again"),
    N_("what is planned now is not what was approved; look at the plan again"),
    N_("another run is under way%(who)s; wait until it has ended"),
    N_("there is no ticket %(number)s; 'shuyuan tickets list' shows them"),
    N_("closing a ticket needs a reason"),
    N_("ticket %(number)s was closed on %(day)s (%(why)s)"),
    N_("the rules lack entity type %(entity)s of ticket %(number)s"),
    N_("%(golden_id)s is no golden id: its check character or its shape is wrong"),
    N_("%(golden_id)s: no entity type of this release has the prefix %(prefix)s"),
    N_("%(golden_id)s was not issued up to release %(release)s"),
    N_("the redirects of %(golden_id)s run in a circle; the release is damaged"),
    N_("nothing is published yet; run 'shuyuan publish'"),
    N_("there is no release %(release)s; 'shuyuan status' lists them"),
    N_("%(file)s is missing; copy it from a backup, or publish again"),
    N_("release %(release)s keeps no rules and has no match index; run 'shuyuan link' and publish again"),
    N_("there is no match index of %(entity)s that this version can read; run 'shuyuan link' and publish"),
    N_("%(place)s is one record; name two"),
    N_("%(entity)s is not linked; run 'shuyuan load' and 'shuyuan link' first"),
    N_(
        "no record %(record)s counts now: it was never loaded, was withdrawn, or is in quarantine ('shuyuan "
        "findings' says why)"
    ),
    N_("an explanation weighs every field; a grant limited to attributes does not have it"),
    N_("record %(record)s is not in the regions that were granted"),
    N_("no entity type has both the sources %(left)s and %(right)s"),
    N_("release %(release)s has no counts of a source %(source)s"),
    N_("release %(release)s has no counts of quality in %(regions)s"),
    N_("a scorecard counts every field; a grant limited to attributes does not have it"),
    N_(
        "release %(release)s has no counts of quality; it was made by an earlier version: run 'shuyuan plan' "
        "and 'shuyuan publish'"
    ),
    N_(
        "there is no event %(after)s yet, the last is %(last)s: was the workspace restored from a backup? "
        "Take a snapshot and follow from its 'after'"
    ),
    N_("release %(release)s has no file %(path)s; 'snapshot' lists them"),
    N_("no webhook %(hook)s in force"),
    N_("no token %(token)s in force; 'shuyuan token --list' shows them"),
    N_(
        "%(name)s is %(one)s (token %(token)s) and cannot be %(other)s as well: give it to another person, "
        "or end that token first"
    ),
    N_("%(word)s cannot be granted; roles are %(roles)s, beside them %(extra)s"),
    N_("a grant needs a role; known are %(roles)s"),
    N_("%(both)s exclude each other: no one person may be both"),
    N_("region %(region)s: expected the beginning of a division code, such as 4403"),
    N_("the store of decisions is busy or cannot be written; try again"),
    N_("unexpected %(error)s; the log of the server says where"),
    N_("%(place)s is in use: %(who)s; wait until it has ended"),
    N_("%(file)s is open in another program (%(who)s); close it there"),
    N_("%(folder)s is no release (no manifest.json); 'shuyuan status' lists the releases"),
    N_("Not Found"),
    N_("Method Not Allowed"),
)
# What is wrong in a form, part by part.
_FORM: tuple[str, ...] = (
    N_("Field required"),
    N_("String should have at least %(n)s character"),
    N_("String should have at least %(n)s characters"),
    N_("String should have at most %(n)s character"),
    N_("String should have at most %(n)s characters"),
    N_("Input should be a valid integer, unable to parse string as an integer"),
    N_("Input should be greater than or equal to %(n)s"),
    N_("Input should be less than or equal to %(n)s"),
    N_("Input should be %(n)s"),
    N_("String should match pattern %(n)s"),
)
_PLACE = re.compile(r"%\\\((\w+)\\\)s")  # as `re.escape` writes it


def refusal(text: str, translate: Translate) -> str | None:
    """A refusal in the language of the page, None where no sentence is known for it."""
    found = _said(text, _REFUSALS, translate)
    if found is not None:
        return found
    parts = [_part(part, translate) for part in text.split("; ")]
    return "；".join(part for part in parts if part is not None) if None not in parts else None


def _part(text: str, translate: Translate) -> str | None:
    """What is wrong in one field of a form, `body.reason: Field required`."""
    field, colon, wrong = text.partition(": ")
    said = _said(wrong, _FORM, translate)
    return f"{field.split('.')[-1]}：{said}" if colon and said is not None else None


def _said(text: str, sentences: tuple[str, ...], translate: Translate) -> str | None:
    for sentence in sentences:
        found = _pattern(sentence).fullmatch(text)
        if found:
            return translate(sentence, **_words(found.groupdict(), translate))
    return None


def _words(values: Mapping[str, str], translate: Translate) -> dict[str, str]:
    """What the engine filled in, with its own words in the language of the page."""
    told = dict(values)
    if "kind" in told:
        told["kind"] = word(KINDS, told["kind"].strip("'"), translate)
    if "roles" in told:
        told["roles"] = ", ".join(word(ROLES, one, translate) for one in told["roles"].split(", "))
    for name in ("one", "other"):
        if name in told:
            told[name] = word(ROLES, told[name], translate)
    return told


@cache
def _pattern(sentence: str) -> re.Pattern[str]:
    return re.compile(_PLACE.sub(r"(?P<\1>.*?)", re.escape(sentence)), re.DOTALL)
