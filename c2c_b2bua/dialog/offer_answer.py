"""Who owes whom a description (RFC 3264, RFC 6337): one small machine for each leg.

         offer()                 ask()
OFFERED <──────── STABLE ──────────────> ASKED
   │   answered() / refused()   answer() / decline()   │
   └─────────────> STABLE <────────────────────────────┘
"""

from __future__ import annotations

from c2c_b2bua.sdp import REVERSED, Media, SessionDescription, narrowed
from c2c_b2bua.sip.errors import SipError

STABLE, OFFERED, ASKED = "STABLE", "OFFERED", "ASKED"


class OfferAnswer:
    """`local` is what we said last, `remote` what the peer said last; both None before the first exchange."""

    __slots__ = ("local", "offered", "remote", "state")

    def __init__(self) -> None:
        self.state = STABLE
        self.local: SessionDescription | None = None
        self.remote: SessionDescription | None = None
        self.offered: SessionDescription | None = None
        """The peer's offer that waits for our answer."""

    def sign(self, description: SessionDescription) -> SessionDescription:
        """Put our o= on a description: the next version if it differs from what we said last, else the same (§8)."""
        said = self.local
        if said is None:
            signed = description
        elif said.same_media(description):
            return said
        else:
            signed = description.with_origin(said.origin.next())
        self.local = signed
        return signed

    def offer(self, description: SessionDescription) -> SessionDescription:
        """Make an offer; only when STABLE."""
        if self.state != STABLE:
            raise AssertionError(f"an offer in state {self.state}")
        self.state = OFFERED
        return self.sign(description if self.local is None else padded(description, self.local))

    def answered(self, description: SessionDescription) -> None:
        """The peer answered. SipError 488 when it answers other streams than were offered (§6)."""
        self.state = STABLE
        self.remote = description if self.local is None else fitted(description, self.local)

    def refused(self) -> None:
        """The peer refused our offer: all stays as it was before, but the version is used up."""
        self.state = STABLE

    def ask(self, description: SessionDescription) -> None:
        """The peer offers. SipError 491 while our own offer is open (RFC 3261 §14.2), 500 while its last one is."""
        if self.state == OFFERED:
            raise SipError("Request Pending", 491)
        if self.state == ASKED:
            raise SipError("the last offer is not answered yet", 500)
        self.state = ASKED
        self.offered = description

    def answer(self, description: SessionDescription) -> SessionDescription:
        """Answer the peer's offer."""
        if self.state != ASKED or self.offered is None:
            raise AssertionError(f"an answer in state {self.state}")
        self.state = STABLE
        self.remote, self.offered = self.offered, None
        return self.sign(description)

    def repeat(self, offer: SessionDescription) -> SessionDescription:
        """Answer an offer with what we said last, turned as the offer asks; what it adds is refused.

        SipError 488 when nothing is left.
        """
        said = self.local
        if said is None:
            raise SipError("nothing was said that could be said again", 488)
        spare = [None] * (len(offer.media) - len(said.media))
        media = [again(then, now) for then, now in zip([*said.media, *spare], offer.media, strict=False)]
        answer = SessionDescription(said.origin, said.lines, tuple(media))
        if not answer.has_live_media:
            raise SipError("no stream in common", 488)
        return self.sign(answer if said.direction == "inactive" else answer.with_direction(REVERSED[offer.direction]))

    def decline(self) -> None:
        """Refuse the peer's offer: all stays as it was."""
        self.state = STABLE
        self.offered = None


def fitted(answer: SessionDescription, offer: SessionDescription) -> SessionDescription:
    """The answer with as many streams as the offer (§6): what was added is left out, what is missing was refused.

    SipError 488 for no stream at all, for one of another kind (T.38 for audio), and for one in codecs that were not offered.
    """
    if not answer.media:
        raise SipError("no stream in the answer", 488)
    count = len(offer.media)
    for place, given in enumerate(answer.media[:count]):
        if not given.port:
            continue
        asked = offer.media[place]
        if given.kind != asked.kind:
            raise SipError(f"{given.kind} answers an offer of {asked.kind}", 488)
        if given.formats[0] in asked.formats or not set(asked.formats).isdisjoint(given.formats):
            continue
        if set(asked.codecs.values()).isdisjoint(given.codecs.values()):
            raise SipError(f"no codec of those offered for {asked.kind}", 488)
    if len(answer.media) > count:
        return SessionDescription(answer.origin, answer.lines, answer.media[:count])
    return padded(answer, offer)


def padded(description: SessionDescription, other: SessionDescription) -> SessionDescription:
    """The description with at least as many streams as another one has, those that were missing being off (§8)."""
    missing = other.media[len(description.media) :]
    if not missing:
        return description
    media = (*description.media, *(off(part) for part in missing))
    return SessionDescription(description.origin, description.lines, media)


def off(media: Media) -> Media:
    """The stream, refused or over (§6, §8.2)."""
    return Media(media.kind, 0, "", media.protocol, media.formats[:1], ())


def again(said: Media | None, asked: Media) -> Media:
    """The stream that was told, as answer to one that is offered: in the codecs of both, by the numbers of the offer."""
    if said is None or not (said.port and asked.port) or said.kind != asked.kind:
        return off(asked)
    numbers = {codec: number for number, codec in reversed(asked.codecs.items())}
    common = {number: numbers[codec] for number, codec in said.codecs.items() if codec in numbers}
    return narrowed(said, common) if common else off(asked)
