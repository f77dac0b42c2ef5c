"""A phone with two calls joins the other ends of both: its REFER in one names its dialog in the other (RFC 3891)."""

from __future__ import annotations

from typing import Any

import pytest

from c2c_b2bua.call.call import BRIDGED, ENDING
from c2c_b2bua.call.news import CallEnded, LegJoined
from c2c_b2bua.call.order import CallOrder
from c2c_b2bua.call.record import CallRecord
from c2c_b2bua.engine import OUR_FAULT
from c2c_b2bua.sip.flow import Target
from c2c_b2bua.transaction.actions import Action, Locate
from tests.call.ladder import bridged
from tests.call.phone_memory import HOSTS, PORTS, party_of
from tests.call.player import Player
from tests.call.test_takeover import Mortal

SECOND = "c2c-second"
JOINING = "A <- 202\nA <- NOTIFY 200\nA <- BYE\nA3 <- BYE\nB <- INVITE answer-b\n"
JOINED = (
    "A -> 200 BYE\nA3 -> 200\nB -> 200 answer-b2\nB <- ACK\nB3 <- INVITE answer-b2\nB3 -> 200 answer-b\nB3 <- ACK\n"
)
GOODBYE = "B3 -> BYE\nB3 <- 200\nB <- BYE\nB -> 200\n"


class Waiting(Mortal):
    """Names are looked up at once, or when it suits."""

    def __init__(self) -> None:
        self.is_slow = False
        self.wanted: list[Locate] = []
        super().__init__()

    def take(self, actions: list[Action]) -> None:
        super().take([action for action in actions if not isinstance(action, Locate)])
        self.wanted += [action for action in actions if isinstance(action, Locate)]
        if not self.is_slow:
            self.find()

    def find(self) -> None:
        """The only name there is is A3's."""
        wanted, self.wanted = self.wanted, []
        for action in wanted:
            where = [Target("UDP", HOSTS["a"], PORTS["A3"])]
            self.take(self.core.located(action.ticket, where, self.now))


def two_calls(player: Player | None = None, headers: str = "") -> Player:
    """A talks to B, and (as A3) to B3; `headers` are those of what A3 answers."""
    player = player or Player()
    player.play(bridged())
    order = CallOrder(call_id=SECOND, a=party_of("A3"), b=party_of("B3"))
    player.take(player.core.connect(order, player.now))
    second = bridged().replace("A ", "A3 ").replace("B ", "B3 ")
    player.play(second.replace("A3 -> 200 answer-a\n", f"A3 -> 200 answer-a\n{headers}"))
    return player


def refer(player: Player, **wrong: Any) -> str:
    """The REFER in the first call that names the dialog of the second."""
    leg = player.core.calls[SECOND].a
    assert leg.dialog is not None
    dialog = {"call_id": leg.key, "to_tag": leg.tag, "from_tag": leg.dialog.remote_tag, **wrong}
    replaces = "{call_id}%3Bto-tag%3D{to_tag}%3Bfrom-tag%3D{from_tag}".format(**dialog)
    return f"A -> REFER\n+ Refer-To: <sip:b3@192.0.2.20:5084?Replaces={replaces}>\n"


def records(player: Player) -> dict[str, CallRecord]:
    return {news.call_id: news.record for news in player.news if isinstance(news, CallEnded)}


def test_the_others_are_joined() -> None:
    player = two_calls()
    player.play(f"{refer(player)}{JOINING}A -> 200 NOTIFY\n{JOINED}{GOODBYE}")
    found = records(player)
    assert (found[SECOND].cause, found[SECOND].ended_by) == ("ATTENDED_TRANSFER", "a")
    assert [(leg.leg, leg.target, leg.cause) for leg in found[SECOND].legs] == [
        ("a", "phone A3", "ATTENDED_TRANSFER"),
        ("b", "phone B3", "ATTENDED_TRANSFER"),
    ]
    first = found[player.order.call_id]
    assert (first.cause, first.ended_by) == ("NORMAL_CLEARING", "a")
    assert [(leg.leg, leg.target, leg.cause) for leg in first.legs] == [
        ("a", "phone B3", "NORMAL_CLEARING"),
        ("b", "2001", "NORMAL_CLEARING"),
    ]
    assert [(leg.target, leg.cause) for leg in first.attempts] == [("1001", "ATTENDED_TRANSFER")]
    finish(player)


def test_it_is_told_which_leg_went_where() -> None:
    """Before the second call ends: whoever counts the legs on a trunk has to know."""
    player = two_calls()
    player.play(f"{refer(player)}{JOINING}A -> 200 NOTIFY\n{JOINED}")
    (joined, ended) = [news for news in player.news if isinstance(news, LegJoined | CallEnded)]
    assert joined == LegJoined(player.order.call_id, player.now, "a", SECOND, "b")
    assert ended.call_id == SECOND
    player.play(GOODBYE)
    finish(player)


def test_they_are_joined_however_long_they_have_talked() -> None:
    """Nothing is left by then of the INVITE that began the second call."""
    player = two_calls()
    player.pass_time(60.0)
    player.play(f"{refer(player)}{JOINING}A -> 200 NOTIFY\n{JOINED}{GOODBYE}")
    finish(player)


@pytest.mark.parametrize("seconds", [0.0, 60.0])
def test_the_service_is_killed_while_they_are_joined(seconds: float) -> None:
    player = Mortal()
    two_calls(player)
    player.pass_time(seconds)
    player.play(f"{refer(player)}{JOINING}")
    player.crash()
    player.play(f"A <- BYE\nA3 <- BYE\nB <- INVITE answer-b\n{JOINED}{GOODBYE}")
    finish(player)
    assert {name: record.cause for name, record in records(player).items()} == {
        player.order.call_id: "NORMAL_CLEARING",
        SECOND: "ATTENDED_TRANSFER",
    }


@pytest.mark.parametrize("seconds", [0.0, 60.0])
def test_the_service_is_killed_after_they_were_joined(seconds: float) -> None:
    player = Mortal()
    two_calls(player)
    player.play(f"{refer(player)}{JOINING}A -> 200 NOTIFY\n{JOINED}")
    player.pass_time(seconds)
    player.crash()
    player.play(GOODBYE)
    finish(player)
    assert len(records(player)) == 2


def test_the_service_is_killed_while_the_name_of_a_phone_is_looked_up() -> None:
    """The BYE that ends the second call could not go yet: the next process knows that it is over."""
    player = Waiting()
    two_calls(player, "    + Contact: <sip:a3@phone.example.com>\n")
    player.is_slow = True
    player.play(refer(player) + JOINING.replace("A3 <- BYE\n", ""))
    assert [action.hop.host for action in player.wanted] == ["phone.example.com"]
    player.wanted.clear()
    player.crash()
    assert (player.core.calls[player.order.call_id].state, player.core.calls[SECOND].state) == (BRIDGED, ENDING)
    player.is_slow = False
    player.find()
    player.play(f"A <- BYE\nA3 <- BYE\nB <- INVITE answer-b\n{JOINED}{GOODBYE}")
    finish(player)
    assert records(player)[SECOND].cause == "ATTENDED_TRANSFER"


def test_an_error_of_ours_in_the_second_call_leaves_the_joined_alone() -> None:
    player = two_calls()
    player.play(f"{refer(player)}{JOINING}A -> 200 NOTIFY\n")
    player.take(player.core.abandon(SECOND, OUR_FAULT, player.now))
    player.play(f"{JOINED}{GOODBYE}")
    finish(player)


def test_a_dialog_that_is_none_of_ours_is_for_others_to_judge() -> None:
    """It may be one that the target has with somebody else: the REFER goes out as any other."""
    player = two_calls()
    for wrong in ({"call_id": "unknown"}, {"to_tag": "wrong"}, {"from_tag": "wrong"}):
        player.play(refer(player, **wrong) + "api: refuse 403\nA <- 403")
    player.play("A -> BYE\nA <- 200\nB <- BYE\nB -> 200\nA3 -> BYE\nA3 <- 200\nB3 <- BYE\nB3 -> 200")
    finish(player)


def test_a_call_cannot_be_joined_with_itself() -> None:
    player = two_calls()
    leg = player.core.calls[player.order.call_id].b
    assert leg.dialog is not None
    player.play(
        refer(player, call_id=leg.key, to_tag=leg.tag, from_tag=leg.dialog.remote_tag)
        + "A <- 480\nA -> BYE\nA <- 200\nB <- BYE\nB -> 200\nA3 -> BYE\nA3 <- 200\nB3 <- BYE\nB3 -> 200"
    )
    finish(player)


def finish(player: Player) -> None:
    assert not player.out
    player.pass_time(100_000)
    core = player.core
    assert not (player.out or core.calls or core.legs or core.clients or core.servers or core.timers)
