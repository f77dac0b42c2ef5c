"""Why a call ended: Q.850 causes by FreeSWITCH's words, from and to SIP codes (RFC 3398) and in Reason headers (RFC 3326)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import msgspec

from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.fields import parse_parameters
from c2c_b2bua.sip.grammar import CONTROL_PATTERN, delta_seconds, quote, unquote
from c2c_b2bua.sip.message import Message
from c2c_b2bua.sip.phrases import REASON_PHRASES

Q850 = {
    "UNALLOCATED_NUMBER": 1, "NO_ROUTE_TRANSIT_NET": 2, "NO_ROUTE_DESTINATION": 3, "CHANNEL_UNACCEPTABLE": 6,
    "CALL_AWARDED_DELIVERED": 7, "NORMAL_CLEARING": 16, "USER_BUSY": 17, "NO_USER_RESPONSE": 18, "NO_ANSWER": 19,
    "SUBSCRIBER_ABSENT": 20, "CALL_REJECTED": 21, "NUMBER_CHANGED": 22, "REDIRECTION_TO_NEW_DESTINATION": 23,
    "EXCHANGE_ROUTING_ERROR": 25, "LOSE_RACE": 26, "DESTINATION_OUT_OF_ORDER": 27, "INVALID_NUMBER_FORMAT": 28,
    "FACILITY_REJECTED": 29, "RESPONSE_TO_STATUS_ENQUIRY": 30, "NORMAL_UNSPECIFIED": 31, "NORMAL_CIRCUIT_CONGESTION": 34,
    "NETWORK_OUT_OF_ORDER": 38, "NORMAL_TEMPORARY_FAILURE": 41, "SWITCH_CONGESTION": 42, "ACCESS_INFO_DISCARDED": 43,
    "REQUESTED_CHAN_UNAVAIL": 44, "PRE_EMPTED": 45, "RESOURCE_UNAVAILABLE": 47, "FACILITY_NOT_SUBSCRIBED": 50,
    "OUTGOING_CALL_BARRED": 52, "INCOMING_CALL_BARRED": 54, "INCOMING_CALL_BARRED_IN_GROUP": 55,
    "BEARERCAPABILITY_NOTAUTH": 57, "BEARERCAPABILITY_NOTAVAIL": 58, "SERVICE_UNAVAILABLE": 63,
    "BEARERCAPABILITY_NOTIMPL": 65, "CHAN_NOT_IMPLEMENTED": 66, "FACILITY_NOT_IMPLEMENTED": 69,
    "RESTRICTED_DIGITAL_ONLY": 70, "SERVICE_NOT_IMPLEMENTED": 79, "INVALID_CALL_REFERENCE": 81, "NOT_IN_GROUP": 87,
    "INCOMPATIBLE_DESTINATION": 88, "INVALID_MSG_UNSPECIFIED": 95, "MANDATORY_IE_MISSING": 96, "MESSAGE_TYPE_NONEXIST": 97,
    "WRONG_MESSAGE": 98, "IE_NONEXIST": 99, "INVALID_IE_CONTENTS": 100, "WRONG_CALL_STATE": 101,
    "RECOVERY_ON_TIMER_EXPIRE": 102, "MANDATORY_IE_LENGTH_ERROR": 103, "PROTOCOL_ERROR": 111, "INTERWORKING": 127,
}  # fmt: skip
"""FreeSWITCH's word -> Q.850 number; it has none for 47, 55, 70 and 87, which RFC 3398 knows."""
WORDS = {number: word for word, number in Q850.items()}
LAST_OF_CLASS = (31, 47, 63, 79, 95, 111, 127)
"""The `unspecified` one of each class of causes (Q.850 §2.1.1): it stands for those that have no word here."""

CAUSE_OF_STATUS = {
    401: "CALL_REJECTED", 402: "CALL_REJECTED", 403: "CALL_REJECTED", 407: "CALL_REJECTED", 603: "CALL_REJECTED",
    404: "UNALLOCATED_NUMBER", 485: "NO_ROUTE_DESTINATION", 604: "NO_ROUTE_DESTINATION",
    408: "RECOVERY_ON_TIMER_EXPIRE", 504: "RECOVERY_ON_TIMER_EXPIRE", 410: "NUMBER_CHANGED",
    413: "INTERWORKING", 414: "INTERWORKING", 416: "INTERWORKING", 420: "INTERWORKING", 421: "INTERWORKING",
    423: "INTERWORKING", 505: "INTERWORKING", 513: "INTERWORKING", 480: "NO_USER_RESPONSE",
    400: "NORMAL_TEMPORARY_FAILURE", 481: "NORMAL_TEMPORARY_FAILURE", 500: "NORMAL_TEMPORARY_FAILURE",
    503: "NORMAL_TEMPORARY_FAILURE", 486: "USER_BUSY", 600: "USER_BUSY", 484: "INVALID_NUMBER_FORMAT",
    422: "INTERWORKING", 433: "CALL_REJECTED", 607: "CALL_REJECTED", 608: "CALL_REJECTED",
    488: "INCOMPATIBLE_DESTINATION", 606: "INCOMPATIBLE_DESTINATION", 502: "NETWORK_OUT_OF_ORDER",
    405: "SERVICE_UNAVAILABLE", 406: "SERVICE_NOT_IMPLEMENTED", 415: "SERVICE_NOT_IMPLEMENTED",
    501: "SERVICE_NOT_IMPLEMENTED", 482: "EXCHANGE_ROUTING_ERROR", 483: "EXCHANGE_ROUTING_ERROR",
    487: "ORIGINATOR_CANCEL",
}  # fmt: skip

STATUS_OF_CAUSE = {
    1: 404, 2: 404, 3: 404, 17: 486, 18: 408, 19: 480, 20: 480, 21: 403, 22: 410, 23: 410, 26: 404, 27: 502, 28: 484,
    29: 501, 31: 480, 34: 503, 38: 503, 41: 503, 42: 503, 47: 503, 55: 403, 57: 403, 58: 503, 65: 488, 70: 488, 79: 501,
    87: 403, 88: 503, 102: 504, 111: 500, 127: 500,
}  # fmt: skip
"""RFC 3398 §7.2.4.1; a cause that is not here is 500 there, and normal clearing is no failure."""


class Why(msgspec.Struct, frozen=True, gc=False):
    """One end of a call or leg: the Q.850 word, the SIP code it comes from, and what the peer said in words."""

    cause: str
    sip_code: int | None = None
    text: str | None = None
    retry_after: int | None = None
    """Seconds for which a 503 asks to be left alone (§20.33)."""

    @property
    def status(self) -> int | None:
        """The SIP code that says the same (RFC 3398 §7.2.4.1); None for the ordinary end of a call."""
        if self.sip_code is not None and self.sip_code >= 300:
            return self.sip_code
        return None if self.cause == "NORMAL_CLEARING" else STATUS_OF_CAUSE.get(Q850.get(self.cause, 31), 500)

    @property
    def given_up(self) -> int:
        """The SIP code of a leg that we gave up for this reason: 408 when nobody picked up in time, else 487."""
        return 408 if self.sip_code == 408 and self.cause in ("NO_ANSWER", "NO_USER_RESPONSE") else 487

    @property
    def headers(self) -> list[str]:
        """The Reason headers for BYE and CANCEL, by Q.850 and as a SIP code (RFC 3326 §2)."""
        return [*print_reasons(self.cause, self.status)]


@lru_cache(maxsize=256)
def print_reasons(cause: str, status: int | None) -> tuple[str, ...]:
    """The Reason headers that say so."""
    if cause == "LOSE_RACE":
        # So that a phone which rang beside another does not show a call missed.
        return ('SIP;cause=200;text="Call completed elsewhere"',)
    said = f"Q.850;cause={Q850.get(cause, 31)};text={quote(cause)}"
    if status is None:
        return (said,)
    return (said, f"SIP;cause={status};text={quote(REASON_PHRASES.get(status, cause))}")


NO_CHARACTER = re.compile("[\ud800-\udfff]")
"""What stands in text for a byte that is no UTF-8."""
HUNG_UP = Why("NORMAL_CLEARING")
ELSEWHERE = Why("LOSE_RACE", 487, "answered elsewhere")


def cause_of(status: int) -> str:
    """The Q.850 word of a final response; redirections we do not follow and unknown codes go by their class."""
    word = CAUSE_OF_STATUS.get(status)
    if word is not None:
        return word
    if status < 400:
        return "REDIRECTION_TO_NEW_DESTINATION"
    return "NORMAL_TEMPORARY_FAILURE" if 500 <= status < 600 else "NORMAL_UNSPECIFIED"


def why_of(status: int, message: Message, text: str) -> Why:
    """The end that a final response means: a Q.850 cause in its Reason header goes before the code's own."""
    said = said_in(message)
    retry_after = delta_seconds(message.get("Retry-After")) if status == 503 else None
    return Why(
        said.cause if said else cause_of(status), status, legible(text) or (said.text if said else None), retry_after
    )


def legible(text: str | None) -> str | None:
    """What a peer said, fit for a record: no control characters, and U+FFFD for bytes that are no UTF-8."""
    if text is None or text.isprintable():
        return text
    return CONTROL_PATTERN.sub("", text).encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def in_unicode(said: Any) -> Any:
    """The same with U+FFFD for bytes that are no UTF-8, in all text of it: in lists, tuples and dictionaries, too."""
    match said:
        case str():
            return NO_CHARACTER.sub("\ufffd", said)
        case list() | tuple():
            return [*map(in_unicode, said)]
        case dict():
            return {in_unicode(key): in_unicode(value) for key, value in said.items()}
    return said


def word_of(number: int) -> str:
    """The word of a Q.850 cause; one without a word goes by its class."""
    return WORDS.get(number) or WORDS[next((last for last in LAST_OF_CLASS if number <= last), 31)]


def said_in(message: Message) -> Why | None:
    """What the Reason headers of a message say: by Q.850, or else the SIP code of a failure. None when they say nothing."""
    if "Reason" not in message.headers:
        return None
    by_status: Why | None = None
    for value in message.values("Reason"):
        protocol, _, _ = value.partition(";")
        try:
            parameters = parse_parameters(value, len(protocol), "Reason")
        except SipError:
            continue
        text = parameters.get("cause") or ""
        if not (text.isascii() and text.isdecimal() and len(text) <= 3):
            continue
        number, words = int(text), legible(unquote(parameters.get("text") or "")) or None
        match protocol.strip().upper():
            case "Q.850":
                return Why(word_of(number), None, words)
            case "SIP" if 300 <= number < 700 and by_status is None:
                by_status = Why(cause_of(number), number, words)
    return by_status
