"""What is told of trunks that fail, so that somebody may count, and slow down."""

from __future__ import annotations

from pathlib import Path

import pytest

from c2c_b2bua.call.hunt import NO_RESPONSE
from c2c_b2bua.call.news import CallEnded, CallNews, LegAnswered, LegFailed, LegRerouted, LegStays, TransferAsked
from c2c_b2bua.sip.message import Response
from c2c_b2bua.sip.reason import Why, why_of
from tests.call.player import Player

CALL = "c2c-ladder"
LADDERS = Path(__file__).parent / "ladders"


def told(ladder: str, **order: object) -> list[CallNews]:
    """News of a call all of whose legs go by a trunk."""
    player = Player(credentials={"trunk": "carrier"}, **order)
    player.play((LADDERS / f"{ladder}.txt").read_text())
    player.finish()
    return [news for news in player.news if isinstance(news, LegFailed | LegRerouted | CallEnded)]


def test_a_trunk_that_answers_503_and_the_next() -> None:
    failed, rerouted, ended = told("next_trunk_after_503", b_instead=["B2"])
    why = Why("NORMAL_TEMPORARY_FAILURE", 503, "No")
    assert failed == LegFailed(CALL, failed.at, "b", "carrier", why, False)
    assert rerouted == LegRerouted(CALL, failed.at, "b", "carrier")
    assert isinstance(ended, CallEnded)


def test_a_trunk_that_says_nothing() -> None:
    failed, rerouted, *_ = told("next_trunk_after_silence", b_instead=["B2"])
    assert failed == LegFailed(CALL, failed.at, "b", "carrier", NO_RESPONSE, True)
    assert rerouted == LegRerouted(CALL, failed.at, "b", "carrier")


def test_the_last_trunk_is_told_of_too() -> None:
    news = told("no_other_trunk_after_486", b_instead=["B2"])
    assert [type(one) for one in news] == [LegFailed, CallEnded]
    assert isinstance(news[0], LegFailed)
    assert news[0].why.sip_code == 486


def test_extensions_are_no_trunks() -> None:
    player = Player(b_instead=["B2"])
    player.play((LADDERS / "next_trunk_after_503.txt").read_text())
    assert not any(isinstance(news, LegFailed | LegRerouted) for news in player.news)


@pytest.mark.parametrize(
    ("ladder", "outcome"),
    [
        ("transfer_by_a", LegAnswered),
        ("transfer_to_several_phones", LegAnswered),
        ("transfer_and_nobody_answers", LegStays),
        ("transfer_and_nobody_answers_in_time", LegStays),
        ("transfer_is_declined_for_all", LegStays),
        ("transfer_and_b_leaves_for_nobody", LegStays),
        ("transfer_and_a_hangs_up", CallEnded),
        ("transfer_and_api_hangs_up", CallEnded),
    ],
)
def test_what_becomes_of_a_leg_that_hands_over(ladder: str, outcome: type[CallNews]) -> None:
    """It is told once, of that leg, before anything else is."""
    player = Player()
    player.play((LADDERS / f"{ladder}.txt").read_text())
    asked, told, *_ = player.news[[type(news) for news in player.news].index(TransferAsked) :]
    assert isinstance(asked, TransferAsked)
    assert type(told) is outcome
    assert getattr(told, "leg", asked.leg) == asked.leg


def test_who_may_not_hand_over_any_more_stays() -> None:
    """It had hung up, or the call was being changed, before the answer was there."""
    player = Player()
    player.play(
        "BRIDGED\nB -> REFER\n+ Refer-To: <sip:1003@acme.example.com>\nB -> BYE\nB <- 200\nB <- 487\nA <- BYE\n"
    )
    (asked,) = [news for news in player.news if isinstance(news, TransferAsked)]
    player.play("api: transfer to B2")
    assert player.news[-1] == LegStays(CALL, player.now, asked.leg)


@pytest.mark.parametrize(
    ("status", "value", "seconds"),
    [(503, "120", 120), (503, "7 (lunch);duration=60", 7), (503, "soon", None), (503, "", None), (480, "120", None)],
)
def test_how_long_a_503_asks_to_be_left_alone(status: int, value: str, seconds: int | None) -> None:
    assert why_of(status, Response(status, "No", {"Retry-After": [value]}), "No").retry_after == seconds
