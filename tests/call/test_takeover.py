"""A process is killed, another one takes its calls over: what talks goes on, what rings is taken back."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.msgpack import encode

from c2c_b2bua.b2bua import B2bua
from c2c_b2bua.call.call import Call
from c2c_b2bua.call.news import TransferAsked
from c2c_b2bua.call.snapshot import (
    CHANGE,
    STATE,
    CallSnapshot,
    KeptCall,
    decode_order,
    with_passwords,
    without_passwords,
)
from c2c_b2bua.call.takeover import LOST
from c2c_b2bua.dialog.dialog import Dialog
from c2c_b2bua.dialog.extensions import Terms
from c2c_b2bua.dialog.leg import Leg
from c2c_b2bua.dialog.offer_answer import OfferAnswer
from c2c_b2bua.dialog.session_timer import SessionTimer
from c2c_b2bua.dialog.unacked import Unacked
from c2c_b2bua.sip.flow import Flow, Interfaces
from c2c_b2bua.sip.message import Request
from c2c_b2bua.sip.tokens import Tokens
from tests.call.phone_memory import party_of
from tests.call.player import Player
from tests.simulation.crash import Memory, Remembered

RINGING_A = "A <- INVITE held\nA -> 180\n"
RINGING_B = f"{RINGING_A}A -> 200 answer-a\nA <- ACK\nB <- INVITE answer-a\nB -> 180\n"
JOINING = f"{RINGING_B}B -> 200 answer-b\nB <- ACK\nA <- INVITE answer-b\n"
BRIDGED = f"{JOINING}A -> 200 answer-a\nA <- ACK\n"


class Mortal(Player):
    """A player whose core can be killed."""

    def __init__(self, **order: Any) -> None:
        self.memory = Memory()
        super().__init__(**order)

    def make_core(self, interfaces: Interfaces) -> B2bua:
        return Remembered(interfaces, Tokens(b"ladder"), self.memory)

    def crash(self, seconds: float = 1.0) -> None:
        """Killed, and started again after so many seconds."""
        self.now += seconds
        self.core, said = self.memory.reborn(self.core, self.now)
        self.take(said)

    @property
    def last_sent(self) -> Request:
        message = self.out[-1][1]
        assert isinstance(message, Request)
        return message


def played(ladder: str, **order: Any) -> Mortal:
    player = Mortal(**order)
    player.play(ladder)
    return player


@pytest.mark.parametrize("who", "AB")
def test_a_talking_call_goes_on_and_either_side_can_end_it(who: str) -> None:
    player = played(BRIDGED)
    player.crash()
    other = "B" if who == "A" else "A"
    player.play(f"{who} -> BYE\n{who} <- 200\n{other} <- BYE\n{other} -> 200")
    player.finish()
    record = player.record
    assert (record.ended_by, record.cause, record.bridged_at) == (who.lower(), "NORMAL_CLEARING", 1000.0)
    assert [(leg.leg, leg.target, leg.sip_code, leg.answered_at) for leg in record.legs] == [
        ("a", "1001", 200, 1000.0),
        ("b", "2001", 200, 1000.0),
    ]


def test_what_rings_is_taken_back_and_recorded_as_lost() -> None:
    player = played(RINGING_A)
    invite = player.ends["A"].received[-1]
    player.crash()
    cancel = player.last_sent
    assert (cancel.branch, cancel.uri, cancel.cseq.number) == (invite.branch, invite.uri, invite.cseq.number)
    assert (cancel.headers["From"], cancel.headers["To"]) == (invite.headers["From"], invite.headers["To"])
    player.play("A <- CANCEL\nA -> 200 CANCEL\nA -> 487 INVITE\nA <- ACK")
    player.finish()
    record = player.record
    assert (record.ended_by, record.cause, record.reason) == ("error", LOST.cause, LOST.text)
    assert [(leg.ringing_at, leg.answered_at, leg.sip_code) for leg in record.legs] == [(1000.0, None, 487)]


@pytest.mark.parametrize("takes_update", [False, True])
def test_a_phone_that_cannot_be_reached_any_more_is_given_up(takes_update: bool) -> None:
    """Its stream is gone, or nobody listens at its port: what the network says of it is enough."""
    allow = "+ Allow: INVITE, ACK, BYE, UPDATE\n" if takes_update else ""
    player = played(BRIDGED.replace("A -> 200 answer-a\n", f"A -> 200 answer-a\n{allow}"))
    player.crash()
    player.wait_for_us()
    ((gone, probe),) = player.out
    assert isinstance(probe, Request)
    assert probe.method == ("UPDATE" if takes_update and gone == "A" else "INVITE")
    undelivered(player)
    assert sorted((to, message.start_line().split()[0]) for to, message in player.out) == [("A", "BYE"), ("B", "BYE")]
    undelivered(player)
    player.out = [(to, message) for to, message in player.out if to != gone]
    other = "B" if gone == "A" else "A"
    player.play(f"{other} <- BYE\n{other} -> 200")
    player.finish()
    assert (player.record.ended_by, player.record.sip_code) == ("error", 503)


def undelivered(player: Mortal) -> None:
    """The network cannot deliver what was sent first of what is not answered yet."""
    name, message = player.out.pop(0)
    flow = Flow(player.interface, player.ends[name].host, player.ends[name].port)
    player.take(player.core.undelivered(bytes(message), flow, player.now))


def test_who_waits_for_b_is_hung_up_and_b_stops_ringing() -> None:
    player = played(RINGING_B)
    player.crash()
    player.play("A <- BYE\nB <- CANCEL\nA -> 200\nB -> 200 CANCEL\nB -> 487 INVITE\nB <- ACK")
    player.finish()
    assert [(leg.leg, leg.sip_code, leg.cause) for leg in player.record.legs] == [
        ("a", 200, LOST.cause),
        ("b", 487, LOST.cause),
    ]


def test_a_phone_that_had_said_nothing_is_cancelled_too() -> None:
    """Its 180 may have come while nobody listened."""
    player = played("A <- INVITE held")
    player.crash()
    player.play("A <- CANCEL\nA -> 200 CANCEL\nA -> 487 INVITE\nA <- ACK")
    player.finish()


def test_a_phone_that_answers_meanwhile_is_hung_up() -> None:
    player = played(RINGING_A)
    player.crash()
    player.play("A <- CANCEL\nA -> 200 INVITE answer-a\nA <- ACK\nA <- BYE\nA -> 200 CANCEL\nA -> 200 BYE")
    player.finish()


def test_an_offer_that_is_out_is_made_again_under_its_branch() -> None:
    player = played(JOINING)
    before = player.ends["A"].received[-1]
    player.crash()
    again = player.last_sent
    assert (again.branch, again.cseq.number, again.body) == (before.branch, before.cseq.number, before.body)
    player.play("A <- INVITE answer-b\nA -> 200 answer-a\nA <- ACK\nB -> BYE\nB <- 200\nA <- BYE\nA -> 200")
    player.finish()
    assert player.record.bridged_at is not None


def test_a_2xx_whose_ack_was_lost_is_acknowledged_again() -> None:
    player = played(f"{JOINING}A -> 200 answer-a\nA <- ACK  lost")
    player.crash()
    player.play("A -> 200 answer-a\nA <- ACK\nB -> BYE\nB <- 200\nA <- BYE\nA -> 200")
    player.finish()


def test_a_hold_on_its_way_arrives() -> None:
    player = played(f"{BRIDGED}A -> INVITE hold-a\nA <- 100\nB <- INVITE hold-a")
    player.crash()
    player.play(
        "B <- INVITE hold-a\nB -> 200 held-b\nB <- ACK\nA <- 200 held-b\nA -> ACK\nB -> BYE\nB <- 200\nA <- BYE\nA -> 200"
    )
    player.finish()


def test_our_2xx_is_said_until_it_is_acknowledged() -> None:
    player = played(
        f"{BRIDGED}A -> INVITE hold-a\nA <- 100\nB <- INVITE hold-a\nB -> 200 held-b\nB <- ACK\nA <- 200 held-b"
    )
    player.crash()
    player.pass_time(0.1)
    player.play("A <- 200 held-b\nA -> ACK\nA -> BYE\nA <- 200\nB <- BYE\nB -> 200")
    player.finish()


def test_who_ends_is_ended_again() -> None:
    player = played(f"{BRIDGED}A -> BYE\nA <- 200\nB <- BYE")
    first = player.ends["B"].received[-1].cseq.number
    player.crash()
    assert player.last_sent.cseq.number > first
    player.play("B <- BYE\nB -> 481")
    player.finish()
    assert player.record.ended_by == "a"


def test_no_cseq_is_used_twice_whatever_could_not_be_kept() -> None:
    player = played(BRIDGED)
    known = max(request.cseq.number for request in player.ends["B"].received)
    player.crash()
    player.play("A -> INVITE hold-a\nA <- 100")
    assert player.last_sent.cseq.number > known + 10
    player.play("B <- INVITE hold-a\nB -> 488\nB <- ACK\nA <- 488\nA -> ACK\nA -> BYE\nA <- 200\nB <- BYE\nB -> 200")
    player.finish()


def test_a_phone_that_is_gone_is_found_out_and_the_other_is_told() -> None:
    """B hung up while nobody listened, and has given up to say so."""
    player = played(BRIDGED)
    player.crash(40.0)
    while not any(leg == "B" for leg, _ in player.out):
        player.wait_for_us()
        for leg, message in [*player.out]:
            if leg == "A":
                assert isinstance(message, Request)
                player.play("A <- INVITE answer-b\nA -> 200 answer-a\nA <- ACK")
    player.play("B <- INVITE answer-a\nB -> 481\nB <- ACK\nB <- BYE\nA <- BYE\nA -> 200\nB -> 481")
    player.finish()
    assert player.record.ended_by == "error"


def test_the_longest_duration_counts_from_the_beginning() -> None:
    player = played(BRIDGED, max_duration=100.0)
    player.crash(98.0)
    player.pass_time(1.0)
    assert not player.out
    player.pass_time(1.2)
    player.play("A <- BYE\nB <- BYE\nA -> 200\nB -> 200")
    player.finish()
    assert (player.record.ended_by, player.record.cause) == ("timer", "ALLOTTED_TIMEOUT")


def test_the_session_timer_goes_on() -> None:
    bridged = BRIDGED.replace("B -> 200 answer-b\n", "B -> 200 answer-b\n    + Session-Expires: 90;refresher=uas\n")
    player = played(bridged)
    player.crash(58.0)
    player.pass_time(1.0)
    assert not player.out
    player.pass_time(1.2)
    player.play("B <- BYE\nA <- BYE\nA -> 200\nB -> 200")
    player.finish()
    assert (player.record.ended_by, player.record.reason) == ("timer", "session timer expired")


def test_phones_that_rang_beside_are_taken_back_too() -> None:
    player = played("A <- INVITE held\nA2 <- INVITE held\nA2 -> 180\nA -> 180", a_beside=["A2"])
    player.crash()
    player.play(
        "A <- CANCEL\nA2 <- CANCEL\nA -> 200 CANCEL\nA2 -> 200 CANCEL\nA -> 487 INVITE\nA2 -> 487 INVITE\nA <- ACK\nA2 <- ACK"
    )
    player.finish()
    assert [leg.target for leg in player.record.attempts] == ["phone A2"]


def test_a_phone_that_says_nothing_is_remembered_when_its_call_has_ended() -> None:
    """It was to be cancelled as soon as it says something: a kill must not leave it ringing."""
    player = played("A <- INVITE held  lost\napi: hang up")
    assert player.record.ended_by == "api"
    player.crash()
    player.play("A <- CANCEL  lost")
    player.pass_time(100.0)
    assert {message.method for _, message in player.out if isinstance(message, Request)} == {"CANCEL"}
    player.memory.save(player.core)
    assert not player.memory.orders


def test_an_answer_that_waits_for_its_ack_is_declined() -> None:
    player = played(
        "A <- INVITE\nA -> 180\nA -> 200 offer-a\nB <- INVITE offer-a\nB -> 180", traits={"a": {"delayed_offer": True}}
    )
    player.crash()
    player.play("A -> 200 offer-a")
    methods = [message.method for leg, message in player.out if leg == "A" and isinstance(message, Request)]
    assert methods == ["ACK", "BYE", "ACK"]


def test_passwords_of_trunks_are_not_kept() -> None:
    player = Mortal()
    party = msgspec.structs.replace(player.order.b, trunk="carrier", username="u", password="secret")
    order = msgspec.structs.replace(player.order, b=party, b_instead=((party,),))
    kept = without_passwords(order)
    assert b"secret" not in encode(kept)
    read = KeptCall(decode_order(encode(kept)), CallSnapshot("RINGING_A", "", 0.0, []))
    assert with_passwords(read, {"carrier": "secret"}).order == order
    alone = msgspec.structs.replace(player.order, a=msgspec.structs.replace(player.order.a, username="u", password="x"))
    assert without_passwords(alone) == alone


# ── nothing is forgotten ─────────────────────────────────────────────────────────────────────────────────────────────

LEG = {
    "acks": "dropped: a 2xx that comes again is acknowledged by what is in it",
    "authentication": "rebuilt: from the party; a challenge is answered anew",
    "bye": "rebuilt: a new one goes out",
    "call": "rebuilt: the id of the call",
    "forks": "dropped: a leg that has not answered is cancelled",
    "heard": "rebuilt: who was rung is taken to have said so",
    "probe": "dropped: it is sent again",
    "informs": "dropped: the phone says its INFO again",
    "invite": "rebuilt: from the party, its branch and its CSeq",
    "referral": "dropped: a call whose A was told to call B is lost to us",
    "takes_refer": "dropped: it matters when A answers, and no more",
    "reinvited_at": "rebuilt: patience begins anew",
    "refresh": "rebuilt: a refresh that is not an offer is begun anew",
    "tokens": "rebuilt: those of the new process",
    **dict.fromkeys(
        ["answered_at", "dialog", "ended_at", "invited_at", "key", "media", "name", "owed_ack", "party", "peer",
         "pending", "phrases", "reinvite", "ringing_at", "sequence", "session", "sip_code", "sip_reason", "state", "tag",
         "takes_update", "terms", "trail", "unacked", "why"],
        "kept",
    ),
}  # fmt: skip
CALL = {
    "ended_at": "dropped: a call that has ended is its record",
    "failure": "dropped: whom a side can be reached by besides matters while it rings, and then the call is lost",
    "groups": "dropped: as `failure`",
    "offer": "dropped: as `failure`",
    "transfer": "dropped: whoever was to take the call is cancelled, the two go on",
    "order": "kept: by itself",
    "id": "kept: in the order",
    "tokens": "rebuilt: those of the new process",
    **dict.fromkeys(
        ["a", "accepted_at", "address", "attempts", "b", "backing_off", "bridged_at", "early", "ended_by", "named", "owed",
         "relay", "retries", "rivals", "state", "tellings", "why"],
        "kept",
    ),
}  # fmt: skip


def test_the_password_of_a_trunk_by_which_a_call_is_handed_over_is_not_written_down() -> None:
    player = played(f"{BRIDGED}B -> REFER\n+ Refer-To: <sip:1003@acme.example.com>")
    (asked,) = [news for news in player.news if isinstance(news, TransferAsked)]
    party = msgspec.structs.replace(party_of("B2"), trunk="carrier", username="us", password="sesame")
    player.take(player.core.transfer(asked.call_id, asked.leg, asked.key, (party,), player.now))
    player.play("B <- 202\nB <- NOTIFY 100\nB -> 200\nB2 <- INVITE answer-a\nB2 -> 180\nB <- NOTIFY 180\nB -> 200")
    player.play("B2 -> 200 answer-b2\nB2 <- ACK\nB <- NOTIFY 200\nB <- BYE\nA <- INVITE answer-b2")
    (parts,) = player.memory.orders.values()
    assert not [part for part in parts.values() if b"sesame" in bytes(part)]
    (kept,) = player.memory.calls()
    parties = [leg.stranger for leg in with_passwords(kept, {"carrier": "sesame"}).snapshot.legs]
    assert party in parties


def test_a_transfer_is_forgotten() -> None:
    """Who was to take the call is cancelled; the two talk on."""
    refer = "B -> REFER\n+ Refer-To: <sip:1003@acme.example.com>\napi: transfer to B2\nB <- 202\nB <- NOTIFY 100\nB -> 200\n"
    player = played(f"{BRIDGED}{refer}B2 <- INVITE answer-a\nB2 -> 180\nB <- NOTIFY 180\nB -> 200")
    player.crash()
    player.play("B2 <- CANCEL\nB2 -> 200\nB2 -> 487 INVITE\nB2 <- ACK\nA -> BYE\nA <- 200\nB <- BYE\nB -> 200")
    player.finish()
    assert (player.record.ended_by, player.record.cause) == ("a", "NORMAL_CLEARING")


DIALOG = {
    "call_id": "rebuilt: the key of the leg",
    "given_flow": "rebuilt: that of the party",
    **dict.fromkeys(["hop", "request_uri", "strict"], "rebuilt: planned anew"),
    **dict.fromkeys(["flow", "local", "remote", "remote_seq", "remote_tag", "remote_target", "routes"], "kept"),
}
MEDIA = dict.fromkeys(["local", "offered", "remote", "state"], "kept")
SESSION = {
    "raises": "dropped: patience begins anew",
    "refusals": "dropped: patience begins anew",
    **dict.fromkeys(["ends_at", "interval", "is_agreed", "is_ours", "least", "refresh_at"], "kept"),
}
UNACKED = {
    **dict.fromkeys(["deadline", "interval", "timer"], "rebuilt: patience begins anew"),
    **dict.fromkeys(["key", "response", "sequence", "wants_answer"], "kept"),
}
TERMS = dict.fromkeys(["demanded", "offered"], "kept")
EVERYTHING = [
    (Leg, LEG), (Call, CALL), (Dialog, DIALOG), (OfferAnswer, MEDIA), (SessionTimer, SESSION), (Unacked, UNACKED),
    (Terms, TERMS),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "known"), EVERYTHING)
def test_what_becomes_of_everything_that_a_process_knows(kind: type, known: dict[str, str]) -> None:
    """Whoever gives one of these something to remember says here whether it outlives the process, and why not."""
    assert set(kind.__slots__) == set(known)  # type: ignore[attr-defined]
    assert {text.partition(":")[0] for text in known.values()} <= {"kept", "rebuilt", "dropped"}


@pytest.mark.parametrize(("who", "other"), ["AB", "BA"])
def test_what_is_kept_of_a_hang_up_comes_to_how_the_call_stands(who: str, other: str) -> None:
    """Only what may change is written; read with what was written before it, nothing is missing and nothing is left."""
    player = played(
        f"{BRIDGED}{other} -> INVITE hold-{other.lower()}\n{other} <- 100\n{who} <- INVITE hold-{other.lower()}\n"
    )
    (parts,) = player.memory.orders.values()
    before = parts[STATE]
    player.play(f"{who} -> BYE\n{who} <- 200\n{other} <- 487\n{other} <- BYE\n")
    assert parts[STATE] == before and CHANGE in parts
    (found,) = player.memory.calls()
    kept = found.snapshot
    call = player.core.calls[player.order.call_id]
    assert (kept.state, kept.ended_by, kept.why, kept.relay) == ("ENDING", who.lower(), call.why, None)
    for leg, now in zip(kept.legs, call.legs, strict=True):
        assert (leg.state, leg.why, leg.ended_at, leg.trail) == (now.state, now.why, now.ended_at, now.trail)
        assert (leg.sequence, leg.media, leg.pending) == (now.sequence, now.media.state, ())
    player.crash()
    player.play(f"{other} <- BYE\n{other} -> 200")
    player.finish()
    assert (player.record.ended_by, player.record.cause) == (who.lower(), "NORMAL_CLEARING")
