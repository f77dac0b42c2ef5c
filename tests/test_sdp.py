"""Session descriptions (RFC 4566) and what offer/answer sees of them (RFC 3264)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from c2c_b2bua.dialog.offer_answer import STABLE, OfferAnswer
from c2c_b2bua.sdp import Media, Origin, SessionDescription, held_answer, held_offer, renumbered
from c2c_b2bua.sip.errors import SipError
from tests.corpora import ROOT, corpus, corpus_files, read

ORIGIN = Origin("c2c", "7", 1, "192.0.2.1")
PHONE = (
    b"v=0\r\no=alice 2890844526 2890844527 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n"
    b"m=audio 49172 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000/1\r\n"
    b"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=sendrecv\r\n"
)


def parse(text: str | bytes) -> SessionDescription:
    data = text if isinstance(text, bytes) else text.replace("\n", "\r\n").encode()
    return SessionDescription.parse(data)


def audio(*lines: str, head: str = "audio 4000 RTP/AVP 0", session: str = "c=IN IP4 192.0.2.9\n") -> SessionDescription:
    return parse(f"v=0\no=a 1 1 IN IP4 h\ns=-\n{session}t=0 0\nm={head}\n" + "".join(f"{line}\n" for line in lines))


def test_what_a_phone_says() -> None:
    found = parse(PHONE)
    assert bytes(found) == PHONE
    assert found.origin == Origin("alice", "2890844526", 2890844527, "192.0.2.10")
    assert found.lines == ("v=0", "s=-", "c=IN IP4 192.0.2.10", "t=0 0")
    (media,) = found.media
    assert (media.kind, media.port, media.ports, media.protocol) == ("audio", 49172, "", "RTP/AVP")
    assert media.codecs == {"0": "pcmu/8000", "8": "pcma/8000", "101": "telephone-event/8000"}
    assert (found.direction, found.has_live_media, found.address_of(media)) == ("sendrecv", True, "192.0.2.10")


@pytest.mark.parametrize(
    "data",
    [
        PHONE.replace(b"\r\n", b"\n"),
        PHONE.replace(b"\r\n", b"\r"),
        PHONE.rstrip(b"\r\n"),
        PHONE + b"\r\n\r\n",
        PHONE.replace(b"\r\n", b"\r\n\r\n"),
    ],
)
def test_lenient_about_line_ends(data: bytes) -> None:
    assert parse(data) == parse(PHONE)


@pytest.mark.parametrize("text", ["a\u2028b", "a\x85b", "a\x0bb", "a\x1cb", "caf\u00e9"])
def test_only_cr_and_lf_end_a_line(text: str) -> None:
    """str.splitlines() cut session names at U+2028, U+0085 and others, and refused the rest of the line."""
    found = parse(PHONE.replace(b"s=-", f"s={text}".encode()))
    assert found.lines[1] == f"s={text}"
    assert parse(bytes(found)) == found


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"v=0\r\n",
        b"o=a 1 1 IN IP4 h\r\n",
        b"s=-\r\no=a 1 1 IN IP4 h\r\nv=0\r\n",
        b"v=0\r\no=a 1 1 IN IP4\r\n",
        b"v=0\r\no=a 1 x IN IP4 h\r\n",
        b"v=0\r\no=a 1 " + b"9" * 5000 + b" IN IP4 h\r\n",
        "v=0\r\no=a 1 ٣ IN IP4 h\r\n".encode(),
        b"garbage",
        b"\xff\xfe",
        PHONE + b"nonsense\r\n",
        PHONE + b"m=audio\r\n",
        PHONE + b"m=audio x RTP/AVP 0\r\n",
        PHONE + b"m=audio 65536 RTP/AVP 0\r\n",
        PHONE + b"m=audio -1 RTP/AVP 0\r\n",
        PHONE + b"m=audio " + b"1" * 5000 + b" RTP/AVP 0\r\n",
        PHONE + b"m =video 3227 RTP/AVP 31\r\n",
    ],
)
def test_refuses_with_488(data: bytes) -> None:
    """Numbers of 5000 digits made int() raise ValueError out of the core."""
    with pytest.raises(SipError) as caught:
        parse(data)
    assert caught.value.status == 488


def test_a_description_without_streams() -> None:
    found = parse("v=0\no=a 1 1 IN IP4 h\n")
    assert (found.media, found.direction, found.has_live_media) == ((), "inactive", False)


@pytest.mark.parametrize(
    ("description", "direction"),
    [
        (audio(), "sendrecv"),
        (audio("a=sendonly"), "sendonly"),
        (audio("a=inactive"), "inactive"),
        (audio(session="c=IN IP4 192.0.2.9\na=recvonly\n"), "recvonly"),
        (audio("a=sendrecv", session="c=IN IP4 192.0.2.9\na=recvonly\n"), "sendrecv"),
        (audio(session="c=IN IP4 0.0.0.0\n"), "sendonly"),
        (audio("c=IN IP4 0.0.0.0"), "sendonly"),
        (audio("c=IN IP4 0.0.0.0", "a=inactive"), "inactive"),
        (audio(head="audio 0 RTP/AVP 0"), "inactive"),
        (audio("m=video 5000 RTP/AVP 31", "a=recvonly", head="audio 0 RTP/AVP 0"), "recvonly"),
    ],
)
def test_direction(description: SessionDescription, direction: str) -> None:
    assert description.direction == direction


@pytest.mark.parametrize(
    ("description", "address"),
    [
        (audio(), "192.0.2.9"),
        (audio("c=IN IP6 2001:db8::1"), "2001:db8::1"),
        (audio(session="c=IN IP4 224.2.17.12/127\n"), "224.2.17.12"),
        (audio(session=""), ""),
        (audio(session="c=IN\n"), ""),
        (audio(session="c=  \n"), ""),  # two blanks made IndexError leave the core
    ],
)
def test_address(description: SessionDescription, address: str) -> None:
    assert description.address_of(description.media[0]) == address


def test_with_direction() -> None:
    given = audio("a=sendonly", "a=ptime:20", session="c=IN IP4 h\na=recvonly\n")
    assert str(given.with_direction("inactive")) == (
        "v=0\r\no=a 1 1 IN IP4 h\r\ns=-\r\nc=IN IP4 h\r\nt=0 0\r\n"
        "m=audio 4000 RTP/AVP 0\r\na=ptime:20\r\na=inactive\r\n"
    )
    assert given.with_direction("sendrecv").direction == "sendrecv"
    assert "sendrecv" not in str(given.with_direction("sendrecv"))


def test_held_offer() -> None:
    offer = held_offer(ORIGIN, "192.0.2.1", ("PCMU", "PCMA", "telephone-event"))
    assert str(offer) == (
        "v=0\r\no=c2c 7 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
        "m=audio 9 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
        "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=inactive\r\n"
    )
    assert SessionDescription.parse(bytes(offer)) == offer


def test_held_offer_over_ipv6() -> None:
    offer = held_offer(Origin("c2c", "7", 1, "2001:db8::1"), "2001:db8::1", ("PCMU",))
    assert "o=c2c 7 1 IN IP6 2001:db8::1\r\n" in str(offer)
    assert "c=IN IP6 2001:db8::1\r\n" in str(offer)


def test_held_answer_keeps_shared_audio_and_refuses_the_rest() -> None:
    offer = audio(
        "a=rtpmap:120 opus/48000/2", "a=rtpmap:126 telephone-event/8000", "a=fmtp:126 0-15", "a=ptime:20",
        "m=video 5000 RTP/AVP 31 32", "m=audio 0 RTP/AVP 0", "m=audio 6000 RTP/AVP 18",
        head="audio 4000 RTP/AVP 120 0 126",
    )  # fmt: skip
    answer = held_answer(offer, ORIGIN, "192.0.2.1", ("PCMU", "PCMA", "telephone-event"))
    assert [str(part) for part in answer.media] == [
        "m=audio 9 RTP/AVP 0 126\r\na=rtpmap:126 telephone-event/8000\r\na=fmtp:126 0-15\r\na=inactive\r\n",
        "m=video 0 RTP/AVP 31\r\n",
        "m=audio 0 RTP/AVP 0\r\n",
        "m=audio 0 RTP/AVP 18\r\n",
    ]


def test_renumbered() -> None:
    media = Media(
        "audio", 1, "", "RTP/AVP", ("0", "101"),
        ("a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-16", "a=rtcp-fb:101 nack", "a=ptime:101"),
    )  # fmt: skip
    assert str(renumbered(media, {"101": "120"})) == (
        "m=audio 1 RTP/AVP 0 120\r\na=rtpmap:120 telephone-event/8000\r\na=fmtp:120 0-16\r\n"
        "a=rtcp-fb:120 nack\r\na=ptime:101\r\n"
    )


def test_with_port() -> None:
    given = audio("m=video 0 RTP/AVP 31", "m=audio 7 RTP/AVP 8")
    assert [media.port for media in given.with_port(4000).media] == [4000, 0, 4004]


def test_same_media_looks_beyond_the_origin() -> None:
    one = audio()
    assert one.same_media(one.with_origin(one.origin.next()))
    assert not one.same_media(one.with_direction("inactive"))
    assert not one.same_media(one.with_port(5))


# ── what others say ──────────────────────────────────────────────────────────────────────────────────────────────────

FILES = [*corpus_files("sdp-offer-answer", "*.sdp"), *corpus_files("sdp-offer-answer", "*.txt")]


def same_again(data: bytes) -> SessionDescription:
    first = SessionDescription.parse(data)
    assert SessionDescription.parse(bytes(first)) == first
    lines = [line for line in data.replace(b"\r\n", b"\n").split(b"\n") if line.strip()]
    assert sorted(bytes(first).replace(b"\r\n", b"\n").strip().split(b"\n")) == sorted(lines)
    return first


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_corpus_survives_printing(path: Path) -> None:
    same_again(read(path))


def test_chromium() -> None:
    offer = SessionDescription.parse(read(ROOT / "sdp-offer-answer" / "chromium_sdp.txt"))
    audio_part = offer.media[0]
    assert (audio_part.kind, audio_part.port, audio_part.protocol) == ("audio", 9, "UDP/TLS/RTP/SAVPF")
    assert audio_part.codecs["111"] == "opus/48000/2"
    assert audio_part.codecs["126"] == "telephone-event/8000"
    assert "a=mid:0" in audio_part.lines
    assert offer.direction == "sendrecv"
    assert offer.origin == Origin("-", "1157047542737976406", 2, "127.0.0.1")


def test_firefox_says_one_channel() -> None:
    offer = SessionDescription.parse(read(ROOT / "sdp-offer-answer" / "firefox_sdp.txt"))
    assert offer.media[0].codecs["101"] == "telephone-event/8000"
    assert offer.media[0].codecs["9"] == "g722/8000"
    assert offer.media[0].codecs["109"] == "opus/48000/2"


def exchanges() -> list[tuple[str, int, str, list[bytes | None]]]:
    path = ROOT / "sdp-offer-answer" / "pjsip_sdp_neg.json"
    if not path.exists():
        return [("absent", 0, "", [])]
    found = []
    for case in json.loads(path.read_text()):
        if not case["title"].startswith("RFC"):
            continue  # what PJSIP does with partial answers, which RFC 3264 does not allow
        for number, exchange in enumerate(case["exchanges"]):
            parts = [None if text is None else text.encode() for text in exchange["sdp"]]
            found.append((case["title"], number, exchange["type"], parts))
    return found


@pytest.mark.parametrize(("title", "number", "kind", "parts"), exchanges())
def test_offers_and_answers_of_rfc_3264_and_4317(title: str, number: int, kind: str, parts: list[bytes | None]) -> None:
    """All parse and print; the machine takes each exchange from whichever side it came."""
    corpus("sdp-offer-answer/pjsip_sdp_neg.json")
    described = [same_again(part) for part in parts if part is not None]
    if kind == "LOCAL_OFFER" and len(described) >= 2:
        machine = OfferAnswer()
        offer, answer = described[0], described[1]
        assert machine.offer(offer) == offer
        machine.answered(answer)
        assert (machine.state, machine.local, machine.remote) == (STABLE, offer, answer)
    elif kind == "REMOTE_OFFER":
        machine = OfferAnswer()
        offer, answer = described[0], described[-1]
        machine.ask(offer)
        assert machine.answer(answer) == answer
        assert (machine.state, machine.local, machine.remote) == (STABLE, answer, offer)
        assert len(answer.media) == len(offer.media)


@pytest.mark.parametrize("path", [*FILES], ids=lambda path: path.name)
def test_held_answers_to_what_others_offer(path: Path) -> None:
    """One stream for each offered, nothing flowing, nothing that was not offered (RFC 3264 §6)."""
    offer = SessionDescription.parse(read(path))
    answer = held_answer(offer, ORIGIN, "192.0.2.1", ("PCMU", "PCMA", "telephone-event"))
    assert [part.kind for part in answer.media] == [part.kind for part in offer.media]
    for asked, given in zip(offer.media, answer.media, strict=True):
        assert given.protocol == asked.protocol
        assert set(given.formats) <= set(asked.formats) and given.formats
        assert given.port == 0 or given.direction == "inactive"
    assert SessionDescription.parse(bytes(answer)) == answer
