"""The legal moves form what the loop promises: nothing reaches traffic without judge, person and release."""

from __future__ import annotations

import itertools

import pytest

from ratchet.errors import IllegalMoveError
from ratchet.registry import LEGAL_MOVES, Stage
from ratchet.registry.transition import Move, refuse_illegal

BY_PROMOTION = {(Stage.RELEASING, Stage.CHAMPION), (Stage.CHAMPION, Stage.RETIRED)}


def is_refused(before: Stage, after: Stage) -> bool:
    try:
        refuse_illegal(Move("digits", 1, after, before, "somebody", "why"))
    except IllegalMoveError:
        return True
    return False


@pytest.mark.parametrize(("before", "after"), list(itertools.product(Stage, Stage)))
def test_refuses_every_pair_that_is_not_listed(before, after):
    legal = after in LEGAL_MOVES[before] and (before, after) not in BY_PROMOTION
    assert is_refused(before, after) is not legal


def test_every_way_to_the_champion_leads_past_judge_person_and_release():
    def ways(path):
        if path[-1] is Stage.CHAMPION:
            yield path
            return
        for stage in LEGAL_MOVES[path[-1]] - set(path):
            yield from ways([*path, stage])

    found = list(ways([Stage.CANDIDATE]))
    assert found == [[Stage.CANDIDATE, Stage.PASSED, Stage.APPROVED, Stage.RELEASING, Stage.CHAMPION]]


def test_a_refusal_says_where_the_version_may_go():
    with pytest.raises(IllegalMoveError, match="may move to: blocked, passed"):
        refuse_illegal(Move("digits", 1, Stage.CHAMPION, Stage.CANDIDATE, "somebody", "why"))
