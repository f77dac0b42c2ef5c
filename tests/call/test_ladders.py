"""Every ladder is played: those in the docstrings of the call flows, and those in `ladders/`."""

from __future__ import annotations

import pytest

from tests.call.ladder import Ladder, docstrings, files, order_of
from tests.call.player import Player

FILES, DOCSTRINGS = files(), docstrings()


def play(ladder: Ladder) -> Player:
    player = Player(**ladder.order)
    player.play(ladder.text)
    player.finish()
    return player


@pytest.mark.parametrize("ladder", FILES, ids=[ladder.name for ladder in FILES])
def test_ladder(ladder: Ladder) -> None:
    play(ladder)


@pytest.mark.parametrize("ladder", DOCSTRINGS, ids=[ladder.name for ladder in DOCSTRINGS])
def test_docstring(ladder: Ladder) -> None:
    play(ladder)


def test_those_that_were_rung_in_vain_are_recorded() -> None:
    (ladder,) = (ladder for ladder in DOCSTRINGS if ladder.name == "docstring_of_hunt")
    record = play(ladder).record
    assert record.legs[0].target == "phone A2"
    assert [(leg.leg, leg.target, leg.sip_code, leg.cause) for leg in record.attempts] == [
        ("a", "1001", 487, "LOSE_RACE")
    ]


def test_what_the_first_line_says() -> None:
    assert order_of("A <- INVITE held\n") == {}
    assert order_of("# credentials\n") == {"credentials": {"username": "c2c", "password": "secret"}}
    assert order_of("# a_beside=A2,A3\n") == {"a_beside": ["A2", "A3"]}
    assert order_of("A <- INVITE held\n# credentials\n") == {}


def test_a_wrong_ladder_is_found() -> None:
    player = Player()
    with pytest.raises(AssertionError, match="line 1: A <- BYE"):
        player.play("A <- BYE")
    player = Player()
    with pytest.raises(AssertionError, match=r"direction inactive, not sendrecv"):
        player.play("A <- INVITE answer-a")
    player = Player()
    player.play("A <- INVITE held")
    with pytest.raises(AssertionError):
        player.finish()
