"""What holds of every call, whatever went wrong in it."""

from __future__ import annotations

from collections.abc import Iterator

from c2c_b2bua.call.news import CallBridged
from c2c_b2bua.call.record import CallRecord, LegRecord
from tests.matrix.exchange import AGAIN, LIMIT, SOON, Head
from tests.matrix.reckoning import SIPFRAG, Reckoning
from tests.matrix.stage import Stage


def complaints(stage: Stage, busy: frozenset[str]) -> Iterator[str]:
    """Everything that is wrong; `busy` are the phones that the undisturbed ladder leaves with a call."""
    if len(stage.ended) != 1:
        yield f"the call ended {len(stage.ended)} times"
        return
    at, news = stage.ended[0]
    record = news.record
    reckoning = Reckoning(stage)
    reckoning.go()
    yield from left_over(stage, at)
    yield from still_busy(stage, busy)
    yield from not_told(stage)
    yield from who_and_why(reckoning, record)
    yield from reckoning.overdue()
    yield from too_late(stage, reckoning.ended_at, at)
    yield from out_of_order(stage, record)
    for leg in [*record.legs, *record.attempts]:
        yield from untrue(stage, leg, reckoning.ended_at)


def left_over(stage: Stage, ended_at: float) -> Iterator[str]:
    """The core has forgotten all, and soon."""
    core = stage.core
    tables = {
        "calls": core.calls, "legs": core.legs, "clients": core.clients, "servers": core.servers, "timers": core.timers,
        "open clients": core.open_clients, "searches": core.searches, "lookups": core.located_later,
    }  # fmt: skip
    for name, table in tables.items():
        if table:
            yield f"left over in {name}: {list(table)}"
    last = max(event.at for event in stage.events)
    if stage.empty_at is None or stage.empty_at > last + LIMIT + SOON:
        yield f"forgotten only {stage.empty_at} s after the start, the last event being at {last}"


def excused(stage: Stage, name: str) -> bool:
    """A phone that could not be told: it died, or nothing it said and nothing it was told ever arrived."""
    phone = stage.phones[name]
    if phone.is_dead:
        return True
    call_id = phone.memory.call_id.encode()
    heard = any(event.kind == "in" and event.datagram and call_id in event.datagram.data for event in stage.events)
    told = [one for one in stage.wire if one.phone == name and one.way == "<-" and one.data[:3] in (b"BYE", b"CAN")]
    untold = {Head.of(one.data).tag for one in told} - {Head.of(one.data).tag for one in told if not one.note}
    return not heard or (phone.dialogs or {""}) <= {tag.decode() for tag in untold}


def could_not_be_told(stage: Stage, busy: frozenset[str]) -> set[str]:
    """Phones that are left with a call, and for which nobody is to blame."""
    return {
        name for name, phone in stage.phones.items() if not phone.is_idle and name not in busy and excused(stage, name)
    }


def still_busy(stage: Stage, busy: frozenset[str]) -> Iterator[str]:
    for name, phone in stage.phones.items():
        if not phone.is_idle and name not in busy | could_not_be_told(stage, busy):
            yield f"{name} {'rings' if phone.is_ringing else 'talks'} for ever"


def not_told(stage: Stage) -> Iterator[str]:
    """Each phone that was heard was told of the end, or ended it, or refused."""
    heard: dict[str, bool] = {}
    for event in stage.events:
        datagram = event.datagram
        if datagram is None:
            continue
        head = Head.of(datagram.data)
        if event.kind == "in":
            is_end = (
                head.method == "INVITE" and head.status >= 300 and bool(datagram.said and datagram.said.is_first)
            ) or (head.method == "BYE" and not head.status)
        else:
            is_end = head.method in ("BYE", "CANCEL") and not head.status
        heard[datagram.phone] = heard.get(datagram.phone, False) or is_end
    rang = {event.datagram.phone for event in stage.events if event.kind == "in" and event.datagram is not None}
    for name in rang:
        if not heard[name]:
            yield f"{name} was not told"


def who_and_why(reckoning: Reckoning, record: CallRecord) -> Iterator[str]:
    got = (record.ended_by, record.cause, record.sip_code)
    for who, why, code in reckoning.verdicts:
        if record.ended_by == who and (why is None or (record.cause, record.sip_code) == (why, code)):
            return
    yield f"the record says {got}, reckoned were {reckoning.verdicts}"


def too_late(stage: Stage, began: float, ended: float) -> Iterator[str]:
    """From the moment that ends the call it takes 64*T1 at most, and as much again from whatever needs another BYE."""
    bound = began + LIMIT
    for event in stage.events:
        datagram = event.datagram
        if event.at >= began and event.kind == "in" and datagram is not None and datagram.said is not None:
            status = datagram.said.status
            if (datagram.said.is_first and status < 300) or status in (401, 407):
                bound = max(bound, event.at + LIMIT)
    if ended > bound + SOON:
        yield f"over {ended - began:.3f} s after the end began"


def out_of_order(stage: Stage, record: CallRecord) -> Iterator[str]:
    """Times only rise."""
    start = stage.started
    assert record.ended_at is not None
    if record.accepted_at != start or record.ended_at != stage.ended[0][0]:
        yield f"accepted at {record.accepted_at}, ended at {record.ended_at}"
    for leg in [*record.legs, *record.attempts]:
        times = [record.accepted_at, leg.invited_at, leg.ringing_at, leg.answered_at, leg.ended_at, record.ended_at]
        known = [at for at in times if at is not None]
        if known != sorted(known):
            yield f"times of leg {leg.leg} ({leg.target}) are out of order: {[round(at - start, 3) for at in known]}"
    if [leg.leg for leg in record.legs] not in (["a"], ["a", "b"]):
        yield f"legs {[leg.leg for leg in record.legs]}"
    answered = [leg.answered_at for leg in [*record.legs, *record.attempts] if leg.leg == "a" and leg.answered_at]
    if len(record.legs) == 2 and min(answered, default=record.ended_at) > (record.legs[1].invited_at or 0):
        yield "B was rung before A answered"
    bridged = [event.at for event in stage.events if isinstance(event.news, CallBridged)]
    if bridged != ([record.bridged_at] if record.bridged_at is not None else []):
        yield f"bridged at {record.bridged_at}, told at {bridged}"
    if bridged and not (len(record.legs) == 2 and all(leg.answered_at for leg in record.legs)):
        yield "bridged without both legs"


def told_of(stage: Stage) -> list[tuple[float, int]]:
    """What A said of its call to B, when it was told to make one."""
    notifies = [
        (event.at, SIPFRAG.search(event.datagram.data))
        for event in stage.events
        if event.kind == "in" and event.datagram is not None and event.datagram.data.startswith(b"NOTIFY")
    ]
    return [(at, int(found[1])) for at, found in notifies if found is not None]


def untrue(stage: Stage, leg: LegRecord, began: float) -> Iterator[str]:
    """The code of a leg is the final response that came, or says what we did when none had."""
    name = f"leg {leg.leg} ({leg.target})"
    if leg.ended_at is None or leg.cause is None:
        yield f"{name} has no end: {leg}"
        return
    call_id = f"\r\nCall-ID: {leg.call_id}\r\n".encode()
    came = [
        (event.at, event.datagram.said.status)
        for event in stage.events
        if event.kind == "in" and event.datagram is not None and event.datagram.said is not None
        and event.datagram.said.is_first and call_id in event.datagram.data
    ]  # fmt: skip
    is_on_the_wire = any(call_id in one.data for one in stage.wire)
    if not is_on_the_wire:
        came = told_of(stage)
    finals = [status for at, status in came if status >= 200 and at <= leg.ended_at]
    while len(finals) > 1 and finals[0] in AGAIN:
        del finals[0]
    if finals and finals[0] in AGAIN and leg.sip_code in (408, 487):
        return
    if leg.ringing_at is not None and not any(at == leg.ringing_at and 180 <= status < 200 for at, status in came):
        yield f"{name} did not ring at {leg.ringing_at}"
    if leg.answered_at is not None and not any(at == leg.answered_at and status < 300 for at, status in came):
        yield f"{name} did not answer at {leg.answered_at}"
    if leg.answered_at is not None and not 200 <= (leg.sip_code or 0) < 300:
        yield f"{name} answered, its code is {leg.sip_code}"
    if leg.sip_code in finals:
        return
    cancelled = any(
        event.kind == "out" and event.datagram is not None
        and event.datagram.data.startswith(b"CANCEL") and call_id in event.datagram.data
        for event in stage.events
    )  # fmt: skip
    if finals and not (leg.sip_code == 408 and (cancelled or leg.cause == "NO_ANSWER")):
        yield f"{name} has code {leg.sip_code}, {finals} came"
    if not finals and leg.sip_code not in (408, 487) and (leg.sip_code or is_on_the_wire):
        yield f"{name} has code {leg.sip_code}, nothing came"
