"""The witness objects: each of its rules is broken once by hand, on top of a call that went as it should."""

from __future__ import annotations

import pytest

from c2c_b2bua.sip.message import Request
from tests.dialog.one_leg import sdp
from tests.fuzz.scene import Scene
from tests.fuzz.test_calls import WELL


@pytest.fixture
def scene() -> Scene:
    """A and B have answered; the re-INVITE that tells A of B is open."""
    made = Scene()
    made.connect({}, {}, 0, 0, "reinvite")
    for _ in range(2):
        made.respond(0, 200, "theirs", sdp(), WELL)
    assert [request.method for request, _ in made.asked] == ["INVITE"] * 3
    return made


def another(request: Request, method: str = "", number: int = 0, body: bytes | None = None) -> bytes:
    """Like a request of ours, with a branch of its own."""
    again = request.renewed(number or request.cseq.number)
    again.method = method or request.method
    again.headers["CSeq"] = [f"{number or request.cseq.number} {again.method}"]
    again.headers["Via"] = ["SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKanother"]
    again.body = request.body if body is None else body
    return bytes(again)


def test_a_call_that_went_well(scene: Scene) -> None:
    scene.respond(0, 200, "theirs", sdp(), WELL)
    scene.finish(True)


def test_cancel_before_a_provisional_response(scene: Scene) -> None:
    with pytest.raises(AssertionError, match="CANCEL before a provisional"):
        scene.witness.sees(another(scene.asked[-1][0], "CANCEL"))


def test_cseq_twice(scene: Scene) -> None:
    reinvite = scene.asked[-1][0]
    with pytest.raises(AssertionError, match="2 INFO after 2"):
        scene.witness.sees(another(reinvite, "INFO", body=b""))
    scene.witness.sees(another(reinvite))  # the same to another target


def test_two_offers_at_once(scene: Scene) -> None:
    with pytest.raises(AssertionError, match="two offers at once"):
        scene.witness.sees(another(scene.asked[-1][0], number=3))


def test_an_offer_beside_that_of_the_peer(scene: Scene) -> None:
    scene.respond(0, 200, "theirs", sdp(), WELL)
    reinvite = scene.asked[-1][0]
    scene.ask(2, "INVITE", 1, sdp(4002, 2), {})
    assert reinvite.call_id in {dialog[0] for dialog in scene.witness.asked}
    with pytest.raises(AssertionError, match="while the peer's is open"):
        scene.witness.sees(another(reinvite, number=9))


def test_a_request_after_bye(scene: Scene) -> None:
    scene.hang_up(0)
    reinvite = next(request for request, _ in scene.asked if request.to_tag and request.method == "INVITE")
    with pytest.raises(AssertionError, match="INFO after BYE"):
        scene.witness.sees(another(reinvite, "INFO", number=9, body=b""))


def test_o_that_does_not_rise(scene: Scene) -> None:
    reinvite = scene.asked[-1][0]
    scene.respond(0, 200, "theirs", sdp(), WELL)
    with pytest.raises(AssertionError):
        scene.witness.sees(another(reinvite, number=3, body=reinvite.body.replace(b"m=audio 4000", b"m=audio 4444")))


def test_a_refusal_without_ack(scene: Scene) -> None:
    """The branch of the ACK that must be among what goes out next."""
    reinvite = scene.asked[-1][0]
    assert scene.witness.hears(reinvite.response(486), False) == reinvite.branch


def test_a_2xx_without_ack(scene: Scene) -> None:
    """It never comes to the core."""
    scene.witness.hears(scene.asked[-1][0].response(200), True)
    assert list(scene.witness.unacknowledged().values()) == ["SIP/2.0 200 OK"]
