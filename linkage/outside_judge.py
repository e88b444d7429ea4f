"""An outside judge: recordlinkage classifies the pairs that the rules compare, by the levels that they reach.

Reads: standard, frequency, judged (source, source_key, truth, grp). Writes: temporary tables only.

Who is content with his own weights is told by somebody else's: on the same candidate pairs and comparison levels a
package of other people learns to tell matches from the rest (de Bruin, recordlinkage):

    ecm                  its expectation/conditional maximisation, unsupervised, from the values of Jaro (1989) that it
                         starts with; these take a comparison for agreement or none, so that every level but `else`
                         counts as agreement
    naive_bayes          its naive Bayes over the levels, supervised
    logistic_regression  its logistic regression over one indicator for each level, supervised

Supervised ones learn from the true pairs of one half of the entities, by a hash of seed and entity, and all are scored
on the other, our own weights and the published golden records as well. Pairs between the halves take no part. `pairs`
judges the pairs that are said to match, `groups` those that follow when matching pairs are strung together: a pair
classifier knows nothing of groups, so one false pair may cost many there.

The package is optional: pip install 'shuyuan[judge]'.
"""

from __future__ import annotations

import warnings
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from linkage import frequencies
from linkage.frame import aside
from linkage.kernel.match import Kernel
from linkage.score import keeping_all
from linkage.splink_model import level_labels
from linkage.union import components
from rules.errors import RefusedError
from rules.model import EntityRules

PACKAGE = "recordlinkage"
MOST = 5_000_000
SURE = 0.5
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Document = dict[str, Any]
_PAIRS = """
create or replace temp table outside_pair as
select a.ordinal as l, b.ordinal as r, p.verdict = 'accept' as accepted {gammas}
from candidate_pair as p join standard as a on a.record_id = record_l join standard as b on b.record_id = record_r"""
_RECORDS = """
select s.ordinal, dense_rank() over (order by j.truth) - 1 as truth, dense_rank() over (order by j.grp) - 1 as grp,
       md5_number_lower($seed || '/' || j.truth) % 2 = 1 as scored
from standard as s join judged as j using (source, source_key)"""


def judge(con: duckdb.DuckDBPyConnection, rules: EntityRules, seed: int = 1) -> Document:
    """What recordlinkage makes of the pairs of an entity type, beside its weights and its published golden records.

    Raises:
        RefusedError: the package is not installed, there are more than MOST pairs, or one half has no matches or
            nothing else to learn from.
    """
    try:
        installed = version(PACKAGE)
    except PackageNotFoundError:
        raise RefusedError(f"{PACKAGE} is not installed; pip install 'shuyuan[judge]'") from None
    pairs = _Pairs.read(con, rules, seed)
    said = {"published": pairs.published, "weights": pairs.accepted, **_classified(rules, pairs)}
    return {
        "package": f"{PACKAGE} {installed}",
        "seed": seed,
        "pairs": int(pairs.left.size),
        "learned_from": {"pairs": int(pairs.learned.sum()), "matches": int((pairs.learned & pairs.true).sum())},
        "scored_on": {
            "records": int(pairs.scored_records.sum()),
            "pairs": int(pairs.scored.sum()),
            "true_pairs": pairs.true_pairs,
        },
        "judges": {name: pairs.told(same, name == "published") for name, same in said.items()},
    }


class _Pairs:
    """The candidate pairs with their levels, and the truth of their records.

    left, right, true, accepted, published  by pair; learned, scored  whether both records are of that half
    code, group                             entity and golden record of every ordinal, -1 where the truth names none
    """

    def __init__(self, found: dict[str, Any], records: dict[str, Any], count: int) -> None:
        self.left, self.right = found["l"].astype(np.int64), found["r"].astype(np.int64)
        self.accepted: Bools = found["accepted"].astype(np.bool_)
        self.gammas = {name.removeprefix("gamma_"): one for name, one in found.items() if name.startswith("gamma_")}
        at = records["ordinal"].astype(np.int64)
        self.code, group = np.full(count, -1), np.full(count, -1)
        self.code[at], group[at] = records["truth"], records["grp"]
        self.scored_records, learned = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
        self.scored_records[at], learned[at] = records["scored"], ~records["scored"].astype(np.bool_)
        self.group = group
        known = self.code[self.left] >= 0
        self.true: Bools = known & (self.code[self.left] == self.code[self.right])
        self.published: Bools = known & (group[self.left] == group[self.right])
        self.learned: Bools = learned[self.left] & learned[self.right]
        self.scored: Bools = self.scored_records[self.left] & self.scored_records[self.right]
        self.true_pairs = _within(self.code[self.scored_records])

    @classmethod
    def read(cls, con: duckdb.DuckDBPyConnection, rules: EntityRules, seed: int) -> _Pairs:
        """Compare the candidate pairs anew, whatever they weigh, beside what the linkage left."""
        frequencies.load(con, rules)
        unguarded = keeping_all(rules.model_copy(update={"entity": rules.entity.model_copy(update={"guards": ()})}))
        gammas = "".join(f", gamma_{one.name}" for one in rules.entity.comparisons)
        with aside(con, rules.name):
            kernel = Kernel(con, unguarded)
            made = sum(rule.pairs for rule in kernel.estimates)
            if made > MOST:
                raise RefusedError(f"{rules.name}: {made:,} pairs are more than the {MOST:,} that {PACKAGE} is given")
            kernel.match()
            con.execute(_PAIRS.format(gammas=gammas))
        found = con.execute("select * from outside_pair order by l, r").fetchnumpy()
        records = con.execute(_RECORDS, {"seed": str(seed)}).fetchnumpy()
        (count,) = con.execute("select max(ordinal) + 1 from standard").fetchall()[0]
        return cls(found, records, count)

    def told(self, same: Bools, published: bool = False) -> Document:
        """How right `same` is about the pairs of the half that is scored; groups are its own, or those published."""
        said = same & self.scored
        right = int((said & self.true).sum())
        label = self.group if published else components(self.code.size, self.left[said], self.right[said])
        label = label[self.scored_records]
        code = self.code[self.scored_records]
        both = label.astype(np.int64) * self.code.size + code
        return {
            "pairs": _shares(right, int(said.sum()), self.true_pairs),
            "groups": _shares(_within(np.unique(both, return_inverse=True)[1]), _within(label), self.true_pairs),
            "unlike_weights": int(((same != self.accepted) & self.scored).sum()),
        }


def _classified(rules: EntityRules, pairs: _Pairs) -> dict[str, Bools]:
    """Which pairs each classifier says match."""
    for what, found in (("matches", pairs.learned & pairs.true), ("others", pairs.learned & ~pairs.true)):
        if not found.any():
            raise RefusedError(f"{rules.name}: no {what} among the pairs of the half that is learned from")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pandas as pd
        from recordlinkage.classifiers import ECMClassifier, LogisticRegressionClassifier, NaiveBayesClassifier

        index = pd.MultiIndex.from_arrays([pairs.left, pairs.right])
        levels = pd.DataFrame({name: _met(gamma, pairs.learned) for name, gamma in pairs.gammas.items()}, index)
        agree = pd.DataFrame({name: (gamma >= 1).astype(np.int64) for name, gamma in pairs.gammas.items()}, index)
        each = pd.DataFrame(
            {
                f"{one.name}: {label}": (pairs.gammas[one.name] == gamma).astype(np.int64)
                for one in rules.entity.comparisons
                for gamma, label in enumerate(("null", *level_labels(rules.entity, one)), start=-1)
                if gamma
            },
            index,
        )
        matches = index[pairs.learned & pairs.true]
        ecm, bayes, logistic = ECMClassifier(), NaiveBayesClassifier(), LogisticRegressionClassifier()
        # A column that never varies tells nothing, and its iteration cannot bear one.
        agree = agree.loc[:, agree.nunique() > 1]
        ecm.fit(agree)
        bayes.fit(levels[pairs.learned], matches)
        logistic.fit(each[pairs.learned], matches)
        judges = {"ecm": (ecm, agree), "naive_bayes": (bayes, levels), "logistic_regression": (logistic, each)}
        return {name: np.asarray(one.prob(seen)) >= SURE for name, (one, seen) in judges.items()}


def _met(gamma: NDArray[np.integer], learned: Bools) -> Ints:
    """The levels as categories from 0 on; naive Bayes takes one that it never learned of for the next lower one."""
    known = np.unique(gamma[learned])
    return np.maximum(np.searchsorted(known, gamma, "right") - 1, 0).astype(np.int64)


def _within(label: NDArray[np.integer]) -> int:
    """How many pairs have one label."""
    size = np.unique(label, return_counts=True)[1].astype(np.int64)
    return int((size * (size - 1) // 2).sum())


def _shares(right: int, made: int, true: int) -> Document:
    precision, recall = right / made if made else 1.0, right / true if true else 1.0
    both = precision + recall
    return {"precision": precision, "recall": recall, "f1": 2 * precision * recall / both if both else 0.0}
