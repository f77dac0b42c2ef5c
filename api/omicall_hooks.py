"""What OMICall's partners are told of a call: its moments as the bodies of webhooks, its record as a transaction."""

from __future__ import annotations

import unicodedata
import uuid
from typing import Any

import msgspec
from msgspec import UNSET

from api.omicall_shapes import CallTransaction, Cdr, Labelled, LiveEvent, LiveShown, Person
from c2c_b2bua.call.record import CallRecord
from c2c_b2bua.service.events import KINDS, CallEvent, Kind
from c2c_b2bua.service.live_call import LiveCall
from c2c_b2bua.service.phones import Phone
from c2c_b2bua.service.transactions import Transaction

STATES: dict[Kind, str] = dict(zip(KINDS, ("ringing", "answered", "hangup", "cdr"), strict=True))
"""Moments of a call in OMICall's words."""
LABELS = Labelled.__struct_fields__
encoder = msgspec.json.Encoder()


def rendered(event: CallEvent) -> bytes:
    """The body of a webhook."""
    if event.record is not None:
        return encoder.encode(cdr(event, event.record))
    to_number, from_number, hotline = numbers(event.contact, event.extension, event.details)
    body = LiveEvent(
        to_number=to_number,
        created_time=int(event.accepted_at),
        date_time=milliseconds(event.at),
        from_number=from_number,
        hotline=hotline,
        call_uuid=call_uuid(event.history_id),
        state=STATES[event.kind],
        **labels(event.details),
    )
    return encoder.encode(body)


def cdr(event: CallEvent, record: CallRecord) -> Cdr:
    """The record of a call, at its end."""
    to_number, from_number, hotline = numbers(event.contact, event.extension, event.details)
    times = Times(event.accepted_at, record)
    return Cdr(
        tenant_id=event.account_id,
        transaction_id=call_uuid(event.history_id),
        call_uuid=call_uuid(event.history_id),
        from_number=from_number,
        to_number=to_number,
        phone_number=to_number,
        hotline=hotline,
        sip_user=from_number,
        sip_number=hotline,
        disposition=times.disposition,
        answer_sec=times.answer_sec,
        bill_sec=times.bill_sec,
        duration=times.duration,
        time_start_call=int(event.accepted_at),
        time_start_to_answer=times.answered,
        time_end_call=int(times.ended_at),
        cause=record.cause,
        sip_code=record.sip_code,
        ended_by=record.ended_by,
        **labels(event.details),
    )


def transaction(call: Transaction, phone: Phone | None) -> CallTransaction:
    """A call as a line of the list; `phone` is that of its extension."""
    to_number, from_number, hotline = numbers(call.contact, call.extension, call.details)
    created = milliseconds(call.accepted_at)
    shown = CallTransaction(
        transaction_id=call_uuid(call.history_id),
        source_number=hotline,
        destination_number=to_number,
        disposition="",
        sip_user=from_number,
        sip_number=hotline,
        phone_number=to_number,
        created_date=created,
        last_updated_date=created,
        user=people(phone),
        **labels(call.details),
    )
    if call.record is None:
        shown.state = "ringing"
        return shown
    times = Times(call.accepted_at, call.record)
    shown.disposition = times.disposition
    shown.answer_sec, shown.bill_sec, shown.duration = times.answer_sec, times.bill_sec, times.duration
    shown.time_start_to_answer = times.answered
    shown.last_updated_date = milliseconds(times.ended_at)
    shown.cause, shown.sip_code, shown.ended_by = call.record.cause, call.record.sip_code, call.record.ended_by
    return shown


def live(call: LiveCall) -> LiveShown:
    """A call that goes on."""
    to_number, from_number, hotline = numbers(call.contact, call.extension, call.details)
    return LiveShown(
        call_uuid=call_uuid(call.history_id),
        state="answered" if call.state == "bridged" else "ringing",
        progress=call.state,
        from_number=from_number,
        to_number=to_number,
        hotline=hotline,
        created_time=int(call.accepted_at),
        **labels(call.details),
    )


class Times:
    """The seconds of a call that has ended; to answer and to talk make up the whole."""

    def __init__(self, accepted_at: float, record: CallRecord) -> None:
        self.ended_at = accepted_at if record.ended_at is None else record.ended_at
        bridged_at = record.bridged_at
        self.duration = round(self.ended_at - accepted_at)
        self.bill_sec = 0 if bridged_at is None else min(round(self.ended_at - bridged_at), self.duration)
        self.answer_sec = 0 if bridged_at is None else self.duration - self.bill_sec
        self.answered = 0 if bridged_at is None else int(bridged_at)
        self.disposition = "cancelled" if bridged_at is None else "answered"


def numbers(contact: str, extension: str, details: dict[str, Any]) -> tuple[str, str, str]:
    """The customer's number, the extension's, the hotline, each as it was asked for where it was."""
    return (
        text(details, "phone_number") or contact,
        text(details, "extension") or extension,
        text(details, "hotline"),
    )


def text(details: dict[str, Any], name: str) -> str:
    value = details.get(name)
    return value if isinstance(value, str) else ""


def labels(details: dict[str, Any]) -> dict[str, Any]:
    """What was asked for to be seen again."""
    return {name: details.get(name, UNSET) for name in LABELS}


def people(phone: Phone | None) -> list[Person]:
    """Who has the phone."""
    if phone is None or phone.user is None:
        return []
    return [Person(full_name=phone.name, full_name_unsigned=without_accents(phone.name))]


def without_accents(name: str) -> str:
    """Vietnamese as it is written without its signs; other accents go too."""
    plain = name.replace("đ", "d").replace("Đ", "D")
    return "".join(c for c in unicodedata.normalize("NFD", plain) if not unicodedata.combining(c))


def call_uuid(history_id: str) -> str:
    """The id of a call as OMICall writes it."""
    return str(uuid.UUID(hex=history_id))


def history_id_of(name: str) -> str:
    """The history id in a call_uuid, with or without its dashes; empty when it is none."""
    try:
        return uuid.UUID(name).hex
    except ValueError:
        return ""


def milliseconds(at: float) -> int:
    return int(round(at, 3) * 1000)
