"""Every ladder is played: those in the docstrings of the call flows, and those in `ladders/`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from c2c_b2bua.call import bridge, hunt, reinvite
from tests.call.player import Player

LADDERS = sorted((Path(__file__).parent / "ladders").glob("*.txt"))
OTHERS = re.compile(r"([ab]_(?:beside|instead))=(\S+)")
RUNG = re.compile(r"    [AB]\d? (?:<-|->) .*")


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


def test_docstring_of_hunt() -> None:
    player = Player(a_beside=["A2"])
    player.play(ladder_of(hunt.__doc__))
    player.play("B -> 486\nB <- ACK\nA2 <- BYE\nA2 -> 200")
    player.finish()
    record = player.record
    assert (record.cause, record.legs[0].target, record.legs[0].sip_code) == ("USER_BUSY", "phone A2", 200)
    assert [(leg.leg, leg.target, leg.sip_code, leg.cause) for leg in record.attempts] == [
        ("a", "1001", 487, "LOSE_RACE")
    ]


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
    head = text.splitlines()[0]
    credentials = {"username": "c2c", "password": "secret"} if "credentials" in head else {}
    player = Player(credentials=credentials, **{name: who.split(",") for name, who in OTHERS.findall(head)})
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
