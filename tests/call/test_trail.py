"""What a record keeps of the messages of both legs is what the ladder says."""

from __future__ import annotations

from typing import Any

import pytest

from c2c_b2bua.b2bua import B2bua
from c2c_b2bua.call import bridge, reinvite
from c2c_b2bua.call.news import CallEnded
from c2c_b2bua.call.order import CallOrder, Party
from c2c_b2bua.call.record import LegRecord
from c2c_b2bua.sip.flow import Interface, Interfaces
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.sip.trail import LONGEST, Step, read
from c2c_b2bua.transaction.actions import Action, Locate, Send
from tests.call.ladder import Ladder, bridged, drawn, ladders
from tests.call.player import Player


def words(leg: str, step: Step) -> str:
    """A step as a line of a ladder."""
    way = "<-" if step.is_ours else "->"
    return f"{leg} {way} {step.status or step.method}"


def steps(leg: LegRecord) -> list[Step]:
    return read(leg.trail, leg.phrases)


def lines(ladder: str, leg: str) -> list[str]:
    """The lines of one leg, without what the message describes."""
    return [" ".join(line.split()[:3]) for line in ladder.splitlines() if line.startswith(f"{leg} ")]


@pytest.mark.parametrize("leg", ["A", "B"])
def test_a_bridged_call_is_kept_as_its_ladder_has_it(leg: str) -> None:
    player = Player()
    ladder = drawn(reinvite.__doc__)[0]
    player.play(ladder)
    (record,) = [record for record in player.record.legs if record.leg == leg.lower()]
    assert [words(leg, step) for step in steps(record)] == lines(ladder, leg)


def test_what_passes_between_joined_legs_is_kept() -> None:
    player = Player()
    ladder = f"{bridged()}\n{drawn(bridge.__doc__)[0]}\nA -> BYE\nA <- 200\nB <- BYE\nB -> 200"
    player.play(ladder)
    for name, record in zip("AB", player.record.legs, strict=True):
        assert [words(name, step) for step in steps(record)] == lines(ladder, name)


def test_retransmissions_are_counted() -> None:
    player = Player()
    player.play(
        "A <- INVITE held  lost\nwait 0.6 s\nA <- INVITE held  lost\nwait 1.1 s\nA <- INVITE held\nA -> 486\nA <- ACK"
    )
    (leg,) = player.record.legs
    assert [(words("A", step), step.times) for step in steps(leg)] == [
        ("A <- INVITE", 3),
        ("A -> 486", 1),
        ("A <- ACK", 1),
    ]
    assert [round(step.at, 3) for step in steps(leg)] == [0.0, 1.7, 1.7]


def test_a_phone_that_says_nothing_leaves_what_we_concluded() -> None:
    core = B2bua(Interfaces([Interface("UDP", "192.0.2.1", 5060)]), Tokens(b"trail"))
    party = Party(target="1001", uri="sip:1001@192.0.2.10", from_uri="sip:c2c@192.0.2.1", ring_timeout=60.0)
    news = core.connect(CallOrder(call_id="c2c-1", a=party, b=party), 1000.0)
    while not any(isinstance(action, CallEnded) for action in news):
        assert core.next_due is not None
        news += core.tick(core.next_due)
    (leg,) = next(action.record for action in news if isinstance(action, CallEnded)).legs
    invite, conclusion = steps(leg)
    assert (invite.times, conclusion.at, conclusion.status, conclusion.is_local) == (7, 32.0, 408, True)
    assert leg.peer == "UDP 192.0.2.10 5060"


def test_a_name_that_leads_nowhere_leaves_how_long_we_looked() -> None:
    core = B2bua(Interfaces([Interface("UDP", "192.0.2.1", 5060)]), Tokens(b"trail"))
    party = Party(target="1001", uri="sip:1001@nowhere.example", from_uri="sip:c2c@192.0.2.1")
    (locate,) = core.connect(CallOrder(call_id="c2c-1", a=party, b=party), 1000.0)
    assert isinstance(locate, Locate)
    (ended,) = core.located(locate.ticket, [], 1002.5)
    assert isinstance(ended, CallEnded)
    (leg,) = ended.record.legs
    (conclusion,) = steps(leg)
    assert (conclusion.at, conclusion.is_local, conclusion.phrase) == (2.5, True, "no address for nowhere.example")
    assert leg.peer is None


def test_what_a_refusal_says_is_kept_where_it_is_unusual() -> None:
    player = Player()
    player.play("A <- INVITE held\nA -> 486\nA <- ACK")
    assert player.record.legs[0].phrases == {486: "No"}


def test_a_chatty_phone_takes_no_more_than_its_share() -> None:
    player = Player()
    player.play(bridged())
    for _ in range(300):
        player.play("A -> INFO\nB <- INFO\nB -> 200 INFO\nA <- 200")
    assert {len(leg.trail) <= LONGEST for leg in player.core.legs.values()} == {True}
    player.play("A -> BYE\nA <- 200\nB <- BYE\nB -> 200")
    for leg in player.record.legs:
        (gap,) = [step for step in steps(leg) if step.missing]
        assert gap.missing > 400
        assert steps(leg)[0].method == "INVITE"


class Counting(Player):
    """Counts the messages that went and came before the record was written."""

    def __init__(self, **order: Any) -> None:
        self.count = 0
        super().__init__(**order)

    @property
    def is_recorded(self) -> bool:
        return any(isinstance(news, CallEnded) for news in self.news)

    def take(self, actions: list[Action]) -> None:
        for action in actions:
            self.count += isinstance(action, Send) and not self.is_recorded
            super().take([action])

    def feed(self, leg: str, text: str) -> None:
        self.count += not self.is_recorded
        super().feed(leg, text)


@pytest.mark.parametrize("ladder", ladders(), ids=[ladder.name for ladder in ladders()])
def test_every_message_of_every_ladder_is_kept(ladder: Ladder) -> None:
    player = Counting(**ladder.order)
    player.play(ladder.text)
    player.finish()
    legs = [*player.record.legs, *player.record.attempts]
    assert sum(step.times for leg in legs for step in steps(leg) if not step.is_local) == player.count
