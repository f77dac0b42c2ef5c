"""Every ladder is played: those in the docstrings of the call flows, and those in `ladders/`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from c2c_b2bua.call import bridge, reinvite
from tests.call.player import Player

LADDERS = sorted((Path(__file__).parent / "ladders").glob("*.txt"))
RUNG = re.compile(r"    [AB] (?:<-|->) .*")


def ladder_of(docstring: str | None) -> str:
    """The rungs in a docstring, without their indentation."""
    assert docstring is not None
    return "\n".join(line.strip() for line in docstring.splitlines() if RUNG.fullmatch(line))


def bridged() -> str:
    """The docstring of the reinvite way, up to the bridge."""
    return ladder_of(reinvite.__doc__).partition("B -> BYE")[0]


def test_docstring_of_reinvite() -> None:
    player = Player()
    player.play(ladder_of(reinvite.__doc__))
    player.finish()
    assert (player.record.cause, player.record.ended_by, player.record.sip_code) == ("NORMAL_CLEARING", "b", 200)


def test_docstring_of_bridge() -> None:
    player = Player()
    player.play(bridged())
    player.play(ladder_of(bridge.__doc__))
    player.play("A -> BYE\nA <- 200\nB <- BYE\nB -> 200")
    player.finish()
    assert player.record.ended_by == "a"


@pytest.mark.parametrize("path", LADDERS, ids=[path.stem for path in LADDERS])
def test_ladder(path: Path) -> None:
    text = path.read_text()
    credentials = {"username": "c2c", "password": "secret"} if "credentials" in text.splitlines()[0] else {}
    player = Player(credentials=credentials)
    player.play(text.replace("BRIDGED\n", bridged() + "\n"))
    player.finish()


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
