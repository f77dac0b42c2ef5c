"""Payload type numbers when a description crosses from one leg to the other (RFC 3264 §6.1, §8.3.2).

With direct media nobody rewrites RTP, so numbers cross as they are wherever the rules let them.
They change in two cases only: an offer may not give a number a second meaning within a session,
and an answer speaks in the numbers of the offer that it answers.
"""

from __future__ import annotations

from c2c_b2bua.sdp import Media, SessionDescription, renumbered

Codecs = dict[str, str]
"""Payload type -> codec; one dict for all equal ones."""
DYNAMIC = [str(number) for number in (*range(96, 128), *range(35, 64))]
"""RFC 3551 §3: the dynamic ones, then those that nobody has assigned."""


def as_offer(description: SessionDescription, *known: SessionDescription | None) -> SessionDescription:
    """The description as an offer into a session whose descriptions so far are `known`."""
    media = []
    changed = False
    for index, part in enumerate(description.media):
        codecs, meanings = part.codecs, {}
        is_new = False
        for earlier in known:
            if earlier is not None and index < len(earlier.media):
                theirs = earlier.media[index].codecs
                meanings.update(theirs)
                is_new = is_new or theirs is not codecs
        changes = renumbering(part, meanings) if is_new else {}
        changed = changed or bool(changes)
        media.append(renumbered(part, changes) if changes else part)
    return SessionDescription(description.origin, description.lines, tuple(media)) if changed else description


def renumbering(part: Media, meanings: dict[str, str]) -> dict[str, str]:
    """What must change in an offer: to the number that the session has for a codec, else to one that nobody uses yet."""
    codecs = part.codecs
    strange = [number for number, codec in codecs.items() if meanings.get(number, codec) != codec]
    if not strange:
        return {}
    taken = set(part.formats)
    known: dict[str, list[str]] = {}
    for number, codec in reversed(meanings.items()):
        if number not in taken:
            known.setdefault(codec, []).append(number)
    taken.update(meanings)
    free = [number for number in reversed(DYNAMIC) if number not in taken]
    changes: dict[str, str] = {}
    for number in strange:
        better = known.get(codecs[number]) or free
        if better:  # else a second meaning is better than none
            changes[number] = better.pop()
    return changes


def as_answer(description: SessionDescription, offer: SessionDescription | None) -> SessionDescription:
    """The description as an answer to `offer`: the offerer's numbers for the codecs both name."""
    if offer is None:
        return description
    media = []
    for part, asked in zip(description.media, offer.media, strict=False):
        theirs = asked.codecs
        wanted = {codec: number for number, codec in reversed(theirs.items())}
        changes = {
            number: wanted[codec]
            for number, codec in part.codecs.items()
            if theirs.get(number) != codec and codec in wanted
        }
        media.append(renumbered(part, changes) if changes else part)
    return SessionDescription(description.origin, description.lines, tuple(media) + description.media[len(media) :])


def holds_good(told: SessionDescription, chosen: SessionDescription | None, current: SessionDescription) -> bool:
    """Whether a peer that was told `told` and answered `chosen` still sends to the right place, now that it is `current`.

    It does while addresses and ports are the same, and every codec it chose is still taken under the number it was told.
    """
    if chosen is None or len(told.media) != len(current.media):
        return False
    for index, then in enumerate(told.media):
        now = current.media[index]
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
