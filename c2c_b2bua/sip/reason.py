"""Why a call ended: Q.850 causes by FreeSWITCH's words, from SIP codes (RFC 3398 §8.2.6.1) and in Reason headers (RFC 3326)."""

from __future__ import annotations

import msgspec

from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.fields import parse_parameters
from c2c_b2bua.sip.grammar import CONTROL_PATTERN, delta_seconds, quote, unquote
from c2c_b2bua.sip.message import Message

Q850 = {
    "UNALLOCATED_NUMBER": 1, "NO_ROUTE_DESTINATION": 3, "NORMAL_CLEARING": 16, "USER_BUSY": 17, "NO_USER_RESPONSE": 18,
    "NO_ANSWER": 19, "SUBSCRIBER_ABSENT": 20, "CALL_REJECTED": 21, "NUMBER_CHANGED": 22, "REDIRECTION_TO_NEW_DESTINATION": 23,
    "EXCHANGE_ROUTING_ERROR": 25, "DESTINATION_OUT_OF_ORDER": 27, "INVALID_NUMBER_FORMAT": 28, "FACILITY_REJECTED": 29,
    "NORMAL_UNSPECIFIED": 31, "LOSE_RACE": 26, "NORMAL_CIRCUIT_CONGESTION": 34, "NETWORK_OUT_OF_ORDER": 38,
    "NORMAL_TEMPORARY_FAILURE": 41, "SWITCH_CONGESTION": 42, "BEARERCAPABILITY_NOTAUTH": 57, "BEARERCAPABILITY_NOTAVAIL": 58,
    "SERVICE_UNAVAILABLE": 63, "SERVICE_NOT_IMPLEMENTED": 79, "INCOMPATIBLE_DESTINATION": 88,
    "RECOVERY_ON_TIMER_EXPIRE": 102, "INTERWORKING": 127,
}  # fmt: skip
WORDS = {number: word for word, number in Q850.items()}

CAUSE_OF_STATUS = {
    401: "CALL_REJECTED", 402: "CALL_REJECTED", 403: "CALL_REJECTED", 407: "CALL_REJECTED", 603: "CALL_REJECTED",
    404: "UNALLOCATED_NUMBER", 485: "NO_ROUTE_DESTINATION", 604: "NO_ROUTE_DESTINATION",
    408: "RECOVERY_ON_TIMER_EXPIRE", 504: "RECOVERY_ON_TIMER_EXPIRE", 410: "NUMBER_CHANGED",
    413: "INTERWORKING", 414: "INTERWORKING", 416: "INTERWORKING", 420: "INTERWORKING", 421: "INTERWORKING",
    423: "INTERWORKING", 505: "INTERWORKING", 513: "INTERWORKING", 480: "NO_USER_RESPONSE",
    400: "NORMAL_TEMPORARY_FAILURE", 481: "NORMAL_TEMPORARY_FAILURE", 500: "NORMAL_TEMPORARY_FAILURE",
    503: "NORMAL_TEMPORARY_FAILURE", 486: "USER_BUSY", 600: "USER_BUSY", 484: "INVALID_NUMBER_FORMAT",
    488: "INCOMPATIBLE_DESTINATION", 606: "INCOMPATIBLE_DESTINATION", 502: "NETWORK_OUT_OF_ORDER",
    405: "SERVICE_UNAVAILABLE", 406: "SERVICE_NOT_IMPLEMENTED", 415: "SERVICE_NOT_IMPLEMENTED",
    501: "SERVICE_NOT_IMPLEMENTED", 482: "EXCHANGE_ROUTING_ERROR", 483: "EXCHANGE_ROUTING_ERROR",
    487: "ORIGINATOR_CANCEL",
}  # fmt: skip


class Why(msgspec.Struct, frozen=True, gc=False):
    """One end of a call or leg: the Q.850 word, the SIP code it comes from, and what the peer said in words."""

    cause: str
    sip_code: int | None = None
    text: str | None = None
    retry_after: int | None = None
    """Seconds for which a 503 asks to be left alone (§20.33)."""

    @property
    def header(self) -> str:
        """The value of a Reason header for BYE and CANCEL (RFC 3326 §2)."""
        if self.cause == "LOSE_RACE":
            # So that a phone which rang beside another does not show a call missed.
            return 'SIP;cause=200;text="Call completed elsewhere"'
        number = Q850.get(self.cause, 31)
        return f"Q.850;cause={number};text={quote(self.cause)}"


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
    return Why(said.cause if said else cause_of(status), status, text or (said.text if said else None), retry_after)


def legible(text: str | None) -> str | None:
    """What a peer said, fit for a record: no control characters, and U+FFFD for bytes that are no UTF-8."""
    if text is None or text.isprintable():
        return text
    return CONTROL_PATTERN.sub("", text).encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def said_in(message: Message) -> Why | None:
    """What the Reason header of a message says by Q.850; None without one, or when it is malformed."""
    if "Reason" not in message.headers:
        return None
    for value in message.values("Reason"):
        protocol, _, _ = value.partition(";")
        if protocol.strip().upper() == "Q.850":
            try:
                parameters = parse_parameters(value, len(protocol), "Reason")
            except SipError:
                return None
            number = parameters.get("cause") or ""
            if number.isascii() and number.isdecimal() and len(number) <= 3:
                word = WORDS.get(int(number), "NORMAL_UNSPECIFIED")
                return Why(word, None, unquote(parameters.get("text") or "") or None)
    return None
