"""The offer/answer machine (RFC 3264, RFC 6337)."""

from __future__ import annotations

import pytest

from c2c_b2bua.dialog.offer_answer import ASKED, OFFERED, STABLE, OfferAnswer
from c2c_b2bua.sdp import Origin, SessionDescription
from c2c_b2bua.sip.errors import SipError


def description(port: int, version: int = 1, streams: int = 1, who: str = "us") -> SessionDescription:
    media = "".join(f"m=audio {port + 2 * index} RTP/AVP 0\r\n" for index in range(streams))
    return SessionDescription.parse(
        f"v=0\r\no={who} 1 {version} IN IP4 h\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n{media}".encode()
    )


OURS, THEIRS = description(4000), description(5000, who="them")


def test_we_offer_and_they_answer() -> None:
    machine = OfferAnswer()
    assert machine.offer(OURS) == OURS
    assert (machine.state, machine.local, machine.remote) == (OFFERED, OURS, None)
    machine.answered(THEIRS)
    assert (machine.state, machine.local, machine.remote) == (STABLE, OURS, THEIRS)


def test_they_offer_and_we_answer() -> None:
    machine = OfferAnswer()
    machine.ask(THEIRS)
    assert (machine.state, machine.local, machine.remote, machine.offered) == (ASKED, None, None, THEIRS)
    assert machine.answer(OURS) == OURS
    assert (machine.state, machine.local, machine.remote, machine.offered) == (STABLE, OURS, THEIRS, None)


def test_they_refuse_ours() -> None:
    machine = OfferAnswer()
    machine.offer(OURS)
    machine.answered(THEIRS)
    machine.offer(description(4002))
    machine.refused()
    assert (machine.state, machine.remote) == (STABLE, THEIRS)


def test_we_refuse_theirs() -> None:
    machine = OfferAnswer()
    machine.offer(OURS)
    machine.answered(THEIRS)
    machine.ask(description(5002))
    machine.decline()
    assert (machine.state, machine.local, machine.remote, machine.offered) == (STABLE, OURS, THEIRS, None)


def test_glare_is_491() -> None:
    machine = OfferAnswer()
    machine.offer(OURS)
    with pytest.raises(SipError) as caught:
        machine.ask(THEIRS)
    assert caught.value.status == 491
    assert (machine.state, machine.offered) == (OFFERED, None)


def test_an_offer_on_an_offer_is_500() -> None:
    machine = OfferAnswer()
    machine.ask(THEIRS)
    with pytest.raises(SipError) as caught:
        machine.ask(description(5002))
    assert caught.value.status == 500
    assert machine.offered == THEIRS


def test_a_stream_too_many_is_left_out() -> None:
    machine = OfferAnswer()
    machine.offer(OURS)
    machine.answered(description(5000, streams=2))
    assert machine.remote == description(5000)


def test_a_stream_that_is_missing_is_refused() -> None:
    machine = OfferAnswer()
    machine.offer(description(4000, streams=3))
    machine.answered(THEIRS)
    assert machine.remote is not None
    assert [(media.kind, media.port, media.formats) for media in machine.remote.media] == [
        ("audio", 5000, ("0",)), ("audio", 0, ("0",)), ("audio", 0, ("0",)),
    ]  # fmt: skip


HEAD = "v=0\r\no=them 1 1 IN IP4 h\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"


@pytest.mark.parametrize(
    "streams",
    ["", "m=image 5000 udptl t38", "m=video 5000 RTP/AVP 0", "m=audio 5000 RTP/AVP 18", "m=audio 5000 RTP/AVP 96"],
)
def test_an_answer_to_something_else_is_488(streams: str) -> None:
    machine = OfferAnswer()
    machine.offer(OURS)
    with pytest.raises(SipError) as caught:
        machine.answered(SessionDescription.parse(f"{HEAD}{streams}\r\n".encode()))
    assert (caught.value.status, machine.state, machine.remote) == (488, STABLE, None)


@pytest.mark.parametrize(
    "streams",
    ["m=image 0 udptl t38", "m=audio 0 RTP/AVP 18", "m=audio 5000 RTP/AVP 18 0",
     "m=audio 5000 RTP/AVP 96\r\na=rtpmap:96 PCMU/8000"],
)  # fmt: skip
def test_an_answer_may_refuse_and_renumber(streams: str) -> None:
    machine = OfferAnswer()
    machine.offer(OURS)
    answer = SessionDescription.parse(f"{HEAD}{streams}\r\n".encode())
    machine.answered(answer)
    assert machine.remote == answer


def test_the_version_rises_by_one_for_a_change_and_only_then() -> None:
    machine = OfferAnswer()
    said = []
    for given in (OURS, OURS, description(4002), description(4002, version=77, who="other"), OURS):
        said.append(machine.offer(given))
        machine.answered(THEIRS)
    assert [one.origin for one in said] == [Origin("us", "1", version, "h") for version in (1, 1, 2, 2, 3)]
    assert [one.media[0].port for one in said] == [4000, 4000, 4002, 4002, 4000]


def test_answers_count_as_well_as_offers() -> None:
    machine = OfferAnswer()
    machine.offer(OURS)
    machine.answered(THEIRS)
    machine.ask(THEIRS)
    assert machine.answer(description(4002)).origin.version == 2
    machine.ask(THEIRS)
    assert machine.answer(description(4002)).origin.version == 2
    assert machine.offer(description(4004)).origin.version == 3


def test_a_refused_offer_uses_its_version_up() -> None:
    machine = OfferAnswer()
    machine.offer(OURS)
    machine.refused()
    assert machine.offer(description(4002)).origin.version == 2
    machine.refused()
    assert machine.offer(OURS).origin.version == 3


@pytest.mark.parametrize("state", [OFFERED, ASKED])
def test_our_own_mistakes_are_no_sip_errors(state: str) -> None:
    machine = OfferAnswer()
    machine.offer(OURS) if state == OFFERED else machine.ask(THEIRS)
    with pytest.raises(AssertionError):
        machine.offer(OURS)
    with pytest.raises(AssertionError):
        OfferAnswer().answer(OURS)
