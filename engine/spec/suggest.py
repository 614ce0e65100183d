"""Did you mean …?"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher

_ENOUGH = 0.6


def did_you_mean(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that `word` most likely stands for, if one is near enough.

    Case, dashes and underscores count little: `base_url` is near `baseURL`. Of equally near ones the first is taken.
    """
    folded = _fold(word)
    best: str | None = None
    best_score = 0.0
    for candidate in candidates:
        score = _score(folded, _fold(candidate))
        if candidate != word and score > best_score:
            best, best_score = candidate, score
    return best if best_score >= _ENOUGH else None


def hint(word: str, candidates: Iterable[str]) -> str | None:
    """The same as a hint for people: ``did you mean 'name'?``"""
    found = did_you_mean(word, candidates)
    return f"did you mean {found!r}?" if found else None


def _fold(word: str) -> str:
    return word.casefold().replace("-", "").replace("_", "").replace(" ", "")


def _score(left: str, right: str) -> float:
    if left == right:
        return 1.0
    if not left or not right:
        return 0.0
    if sorted(left) == sorted(right):  # letters changed places
        return 0.9
    if min(len(left), len(right)) >= 3 and (left.startswith(right) or right.startswith(left)):
        return 0.8
    return SequenceMatcher(None, left, right).ratio()
