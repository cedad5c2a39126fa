"""Where a stretch of sorted keys can be cut although nobody knows how many keys it holds: pure text arithmetic."""

from __future__ import annotations

from collections.abc import Iterator

_FINER, _COARSER = 1, 3  # how far around the place where a page's keys begin to differ a cut is looked for
_LAST_BEFORE_SURROGATES = 0xD7FF
_TOPS = (("0", "9"), ("A", "Z"), ("a", "z"))


def choose_cut(first: str, last: str, until: str | None) -> str | None:
    """Find a text behind `last` and before `until` that other keys may well lie behind.

    S3 lists keys in the order of their UTF-8 bytes, which is the order of Python's text. Numbered names differ late,
    hashed ones early: keys of the page that was just read say where the next ones will.

    Parameters
    ----------
    first, last
        First and last key of the newest page.
    until
        The stretch's end, itself included; None when it has none.
    """
    differ = _shared(first, last)
    places = [*range(max(0, differ - _COARSER), differ), *range(differ, min(differ + _FINER + 1, len(last)))]
    for place in places:
        for cut in _cuts_at(last, place, until):
            if last < cut and (until is None or cut < until):
                return cut
    return None


def _cuts_at(last: str, place: int, until: str | None) -> Iterator[str]:
    low = ord(last[place])
    high = _top(last[place]) + 1
    if until is not None and until[:place] == last[:place] and len(until) > place:
        high = min(high, ord(until[place]))
    if high - low >= 2:
        yield last[:place] + chr(min(low + (high - low) // 2, _LAST_BEFORE_SURROGATES))


def _top(mark: str) -> int:
    """The last of the digits or of the letters for one of them; for any other mark itself: it rarely counts."""
    return next((ord(top) for bottom, top in _TOPS if bottom <= mark <= top), ord(mark))


def _shared(left: str, right: str) -> int:
    """How many characters two texts begin with in common."""
    pairs = zip(left, right, strict=False)
    return next((number for number, (a, b) in enumerate(pairs) if a != b), min(len(left), len(right)))
