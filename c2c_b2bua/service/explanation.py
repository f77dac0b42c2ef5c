"""Why a call ended as it did, in one plain sentence, with what can be done about it."""

from __future__ import annotations

from c2c_b2bua.call.record import CallRecord, LegRecord
from c2c_b2bua.service.sentences import (
    AFTER_A_PASSWORD,
    ANOTHER_WAS_TRIED,
    BY_CAUSE,
    BY_CLASS,
    BY_CODE,
    BY_REQUEST,
    BY_TEXT,
    GAVE_A_REASON,
    HUNG_UP_EARLY,
    NO_SIGN_OF_LIFE,
    OTHERS_WERE_TRIED,
    TALKED_ON,
    UNREACHABLE,
    UNUSABLE,
)
from c2c_b2bua.sip.phrases import REASON_PHRASES
from c2c_b2bua.sip.reason import cause_of
from c2c_b2bua.sip.trail import Step, read

CHALLENGES = (401, 407)


def explain(record: CallRecord) -> str:
    """The sentence for a call that is over; never empty."""
    leg = blamed(record)
    if record.bridged_at is not None:
        return talked(record, leg)
    sentence = filled(pattern(record, leg), record, leg)
    tried = sum(attempt.cause != "LOSE_RACE" for attempt in record.attempts if leg and attempt.leg == leg.leg)
    if not tried or record.ended_by == "api":
        return sentence
    return sentence + (ANOTHER_WAS_TRIED if tried == 1 else OTHERS_WERE_TRIED.format(tried=tried))


def talked(record: CallRecord, leg: LegRecord | None) -> str:
    """Of a call that was bridged: for how long, and who or what ended it."""
    targets = [leg.target for leg in record.legs]
    a, b = targets if len(targets) == 2 else ("The one", "the other")
    name, spent = leg.target if leg else "one of them", span(record.bridged_at, record.ended_at)
    if record.reason in TALKED_ON:
        return TALKED_ON[record.reason].format(a=a, b=b, span=spent, name=name)
    spoke = f"{a} and {b} talked for {spent}, then"
    if record.ended_by in ("a", "b"):
        if record.cause == "NORMAL_CLEARING":
            return f"{spoke} {name} hung up."
        said = f"{record.cause}, {one_line(record.reason)}" if record.reason else str(record.cause)
        return f"{spoke} {name} ended the call and said why: {said}."
    if record.ended_by == "api" and record.reason not in BY_TEXT:
        return f"{spoke} a request hung up."
    sentence = filled(pattern(record, leg), record, leg)
    return f"{spoke}: {sentence[0].lower()}{sentence[1:]}"


def blamed(record: CallRecord) -> LegRecord | None:
    """The leg that the end of a call came from, as far as the record tells; None: neither, or nobody knows."""
    for leg in record.legs:
        if record.ended_by == leg.leg:
            return leg
    steps = {leg.leg: read(leg.trail) for leg in record.legs}
    if record.ended_by != "api" and (record.sip_code or 0) >= 300:
        for is_local in (False, True):
            for leg in reversed(record.legs):
                if any(concludes(step, record.sip_code, is_local) for step in steps[leg.leg]):
                    return leg
    waiting = [leg for leg in record.legs if is_stuck(steps[leg.leg])]
    if waiting:
        return waiting[-1]
    return record.legs[-1] if record.legs and record.bridged_at is None else None


def concludes(step: Step, code: int | None, is_local: bool) -> bool:
    """Whether this response, of the peer's or our own making, is what a call ended by."""
    return step.status == code and step.is_local == is_local and not step.is_ours


def is_stuck(steps: list[Step]) -> bool:
    """Whether something is unanswered: an offer of ours, or our 2xx, that went again and again."""
    asked = answered = False
    for step in steps:
        if step.method in ("INVITE", "UPDATE") and step.is_ours and not step.status:
            asked = True
        elif step.method in ("INVITE", "UPDATE") and step.status >= 200 and not step.is_ours:
            asked = False
        elif step.method == "INVITE" and step.is_ours and 200 <= step.status < 300:
            answered = step.times > 2
        elif step.method == "ACK" and not step.is_ours:
            answered = False
    return asked or answered


def pattern(record: CallRecord, leg: LegRecord | None) -> str:
    """The sentence that fits best, with places for names in braces."""
    code, cause = record.sip_code or 0, record.cause or ""
    by_trunk = leg is not None and leg.trunk is not None
    if record.ended_by not in ("a", "b"):
        if record.bridged_at is None and leg and code in (408, 503) and record.ended_by != "api":
            steps = read(leg.trail)
            if steps and not any(is_from_peer(step) for step in steps):
                return NO_SIGN_OF_LIFE if code == 408 else UNREACHABLE
        text = record.reason or ""
        found = BY_TEXT.get(text) or next((BY_TEXT[known] for known in BY_TEXT if known in text), None)
        if found or record.ended_by == "api":
            return found or BY_REQUEST
        if record.ended_by == "error" and code in UNUSABLE:
            return UNUSABLE[code]
    elif not code and record.reason in BY_TEXT:
        return BY_TEXT[record.reason]
    elif leg and leg.answered_at is not None and code in (0, 487):
        return HUNG_UP_EARLY.get(cause, GAVE_A_REASON)
    if code in CHALLENGES and leg and offered_credentials(leg):
        return AFTER_A_PASSWORD[by_trunk]
    if cause in BY_CAUSE and (code < 300 or cause != cause_of(code)):
        return BY_CAUSE[cause][by_trunk]
    return (BY_CODE.get(code) or BY_CAUSE.get(cause) or BY_CLASS[code // 100])[by_trunk]


def is_from_peer(step: Step) -> bool:
    return not step.is_ours and not step.is_local and not step.missing


def offered_credentials(leg: LegRecord) -> bool:
    """Whether an INVITE went out after a challenge, and so with a password."""
    was_asked = False
    for step in read(leg.trail):
        if step.method == "INVITE" and step.is_ours and was_asked:
            return True
        was_asked = was_asked or step.status in CHALLENGES
    return False


def filled(sentence: str, record: CallRecord, leg: LegRecord | None) -> str:
    """The names in their places."""
    code, target = record.sip_code or 0, leg.target if leg else "one of them"
    cause = record.cause or "no cause"
    said = cause
    if code >= 300:
        phrase = record.reason if record.ended_by in ("a", "b") else None
        said = one_line(f"{code} {phrase or REASON_PHRASES.get(code, '')}")
        if cause != cause_of(code) and record.ended_by in ("a", "b"):
            said += f", {cause}"
    return sentence.format(
        who=f'The trunk "{leg.trunk}"' if leg and leg.trunk else f"The phone {target}" if leg else "One of the phones",
        target=target,
        other=next((other.target for other in record.legs if other is not leg), "the other side"),
        first=record.legs[0].target if record.legs else "the first phone",
        second=record.legs[1].target if len(record.legs) > 1 else "the second",
        peer=place(leg),
        said=said,
        reason=one_line(record.reason or cause),
        rang=span(leg.invited_at if leg else None, record.ended_at),
        waited=span(record.accepted_at, record.ended_at),
    )


def place(leg: LegRecord | None) -> str:
    """Where the INVITE went, as people write it."""
    if leg is None or leg.peer is None:
        return leg.uri if leg and leg.uri else "its address"
    transport, host, port = leg.peer.split()
    return f"{transport.lower()}:{f'[{host}]' if ':' in host else host}:{port}"


def one_line(text: str) -> str:
    return text.strip().rstrip(".:;")


def span(start: float | None, end: float | None) -> str:
    """Seconds, as a person would say them."""
    if start is None or end is None:
        return "a while"
    seconds = max(0.0, end - start)
    if seconds < 120:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min" + (f" {rest} s" if rest else "")
