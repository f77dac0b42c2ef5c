"""Payload type numbers when a description crosses from one leg to the other (RFC 3264 §6.1, §8.3.2).

With direct media nobody rewrites RTP, so numbers cross as they are wherever the rules let them.
They change in two cases only: an offer may not give a number a second meaning within a session,
and an answer speaks in the numbers of the offer that it answers.
"""

from __future__ import annotations

from c2c_b2bua.sdp import Media, SessionDescription, renumbered

Codecs = dict[str, str]
"""Payload type -> codec; one dict for all equal ones."""
DYNAMIC = [str(number) for number in range(96, 128)]


def as_offer(description: SessionDescription, *known: SessionDescription | None) -> SessionDescription:
    """The description as an offer into a session whose descriptions so far are `known`."""
    media = []
    changed = False
    for index, part in enumerate(description.media):
        meanings: Codecs = {}
        for earlier in known:
            if earlier is not None and index < len(earlier.media):
                meanings.update(earlier.media[index].codecs)
        changes: Codecs = {}
        for number, codec in part.codecs.items():
            if meanings.get(number, codec) != codec:
                changes[number] = number_for(codec, meanings, part, changes)
        changed = changed or bool(changes)
        media.append(renumbered(part, changes) if changes else part)
    return SessionDescription(description.origin, description.lines, tuple(media)) if changed else description


def number_for(codec: str, meanings: dict[str, str], part: Media, changes: dict[str, str]) -> str:
    """The number the session has for a codec, or one that nobody uses yet."""
    for number, meaning in meanings.items():
        if meaning == codec and number not in part.formats and number not in changes.values():
            return number
    taken = {*meanings, *part.formats, *changes.values()}
    return next(number for number in DYNAMIC if number not in taken)


def as_answer(description: SessionDescription, offer: SessionDescription | None) -> SessionDescription:
    """The description as an answer to `offer`: the offerer's numbers for the codecs both name."""
    if offer is None:
        return description
    media = []
    for part, asked in zip(description.media, offer.media, strict=False):
        wanted = {codec: number for number, codec in reversed(asked.codecs.items())}
        changes = {
            number: wanted[codec]
            for number, codec in part.codecs.items()
            if asked.codecs.get(number) != codec and codec in wanted
        }
        media.append(renumbered(part, changes) if changes else part)
    return SessionDescription(description.origin, description.lines, tuple(media) + description.media[len(media) :])


def holds_good(told: SessionDescription, chosen: SessionDescription | None, current: SessionDescription) -> bool:
    """Whether a peer that was told `told` and answered `chosen` still sends to the right place, now that it is `current`.

    It does while addresses and ports are the same, and every codec it chose is still taken under the number it was told.
    """
    if chosen is None or len(told.media) != len(current.media):
        return False
    for index, (then, now) in enumerate(zip(told.media, current.media, strict=True)):
        if then.port != now.port or told.address_of(then) != current.address_of(now):
            return False
        if index < len(chosen.media) and not is_taken(then.codecs, chosen.media[index].codecs, now.codecs):
            return False
    return True


def is_taken(told: Codecs, chosen: Codecs, current: Codecs) -> bool:
    """Whether every codec that was chosen is taken now, under the number that was told."""
    if told is current and chosen is current:
        return True
    numbers = {codec: number for number, codec in told.items()}
    return all(current.get(numbers.get(codec, number)) == codec for number, codec in chosen.items())
