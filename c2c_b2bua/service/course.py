"""The course of a call: what was said on both legs, in order, and how long each part of it took."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from c2c_b2bua.call.record import CallRecord, LegName, LegRecord
from c2c_b2bua.service.moment import timestamp
from c2c_b2bua.sip.trail import Step, read

CHALLENGES = (401, 407)


class Rung(msgspec.Struct, frozen=True):
    """One message of a call; `attempt` counts from 1 those legs that were rung too and did not become the leg."""

    at: float
    """Seconds since 1970."""
    leg: LegName
    attempt: int
    step: Step
    text: str


def rungs(record: CallRecord) -> list[Rung]:
    """All that was said, by both legs and by those that were rung in vain, in the order in which it happened."""
    legs = [(leg, 0) for leg in record.legs] + [(leg, place) for place, leg in enumerate(record.attempts, 1)]
    waiting = [list(rungs_of(leg, attempt)) for leg, attempt in legs]
    found: list[Rung] = []
    while heads := [rungs[0] for rungs in waiting if rungs]:
        first = min(rung.at for rung in heads)
        # A trail is a little less exact than the clock: of what happened at once, what we were told goes first.
        together = [rung for rung in heads if rung.at <= first + 2e-6 + rung.step.at * 2.5e-7]
        chosen = min(together, key=lambda rung: rung.step.is_ours)
        next(rungs for rungs in waiting if rungs and rungs[0] is chosen).pop(0)
        found.append(chosen)
    return found


def rungs_of(leg: LegRecord, attempt: int) -> Iterator[Rung]:
    if leg.invited_at is None:
        return
    is_up = False
    for step in read(leg.trail, leg.phrases):
        yield Rung(leg.invited_at + step.at, leg.leg, attempt, step, text_of(step, "" if is_up else leg.uri or ""))
        is_up = is_up or (step.method == "INVITE" and 200 <= step.status < 300)


def text_of(step: Step, uri: str) -> str:
    """The start line without what is always the same; `uri` is whom an INVITE asks for, empty inside a dialog."""
    if step.missing:
        return f"{step.missing} messages"
    if step.is_local:
        return "no answer in time" if step.status == 408 else f"not sent: {step.phrase}"
    if step.status:
        return f"{step.status} {step.phrase}".rstrip()
    return f"{step.method} {uri}" if uri and step.is_ours and step.method in ("INVITE", "CANCEL") else step.method


def ladder(record: CallRecord) -> list[dict[str, Any]]:
    """The rungs as the API shows them."""
    return [shown(rung) for rung in rungs(record)]


def shown(rung: Rung) -> dict[str, Any]:
    step = rung.step
    members = {
        "at": timestamp(rung.at),
        "leg": rung.leg,
        "direction": None if step.is_local or step.missing else "sent" if step.is_ours else "received",
        "message": rung.text,
        "method": step.method or None,
        "times": step.missing or step.times,
    }
    return {**members, "attempt": rung.attempt} if rung.attempt else members


def timing(record: CallRecord, accepted_at: float) -> dict[str, Any]:
    """Seconds that each part took; None for what did not happen."""
    legs = {leg.leg: leg for leg in record.legs}
    invited = [leg.invited_at for leg in (*record.legs, *record.attempts) if leg.leg == "a" and leg.invited_at]
    b = legs.get("b")
    return {
        "queue": between(accepted_at, min(invited) if invited else record.ended_at),
        "a": leg_timing(legs["a"]) if "a" in legs else None,
        "b": leg_timing(b) if b else None,
        "join": between(b.answered_at if b else None, record.bridged_at),
        "talk": between(record.bridged_at, record.ended_at),
    }


def leg_timing(leg: LegRecord) -> dict[str, float | None]:
    """Until the first INVITE went, until the one with a password went, until it rang, until it answered; each by itself."""
    steps = read(leg.trail)
    sent = [step for step in steps if step.method == "INVITE" and step.is_ours and not step.status]
    challenged = next((step.at for step in steps if step.method == "INVITE" and step.status in CHALLENGES), None)
    again = None if challenged is None else next((step.at for step in sent if step.at >= challenged), None)
    first = sent[0].at if sent else None
    started = leg.invited_at
    went = None if started is None or first is None else started + (first if again is None else again)
    return {
        "dns": None if first is None else seconds(first),
        "auth": between(first, again),
        "ring": between(went, leg.ringing_at),
        "answer": between(leg.ringing_at if leg.ringing_at is not None else went, leg.answered_at),
    }


def between(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else seconds(end - start)


def seconds(value: float) -> float:
    """To the millisecond, and never less than nothing: the parts are measured by clocks that round differently."""
    return max(0.0, round(value, 3))
