"""Causes: from SIP codes (RFC 3398 §8.2.6.1) and in Reason headers (RFC 3326)."""

from __future__ import annotations

import pytest

from c2c_b2bua.sip.message import Response
from c2c_b2bua.sip.reason import CAUSE_OF_STATUS, ELSEWHERE, Q850, Why, cause_of, legible, said_in, why_of, word_of

# RFC 3398 §8.2.6.1, by the numbers it prints, but for 485 and 604, where FreeSWITCH says NO_ROUTE_DESTINATION.
# 408 is 102 there and in FreeSWITCH's words RECOVERY_ON_TIMER_EXPIRE.
RFC_3398 = {
    400: 41, 401: 21, 402: 21, 403: 21, 404: 1, 405: 63, 406: 79, 407: 21, 408: 102, 410: 22, 413: 127, 414: 127,
    415: 79, 416: 127, 420: 127, 421: 127, 423: 127, 480: 18, 481: 41, 482: 25, 483: 25, 484: 28, 486: 17, 500: 41,
    501: 79, 502: 38, 503: 41, 504: 102, 505: 127, 513: 127, 600: 17, 603: 21,
}  # fmt: skip


@pytest.mark.parametrize(("status", "number"), RFC_3398.items())
def test_by_rfc_3398(status: int, number: int) -> None:
    assert Q850[cause_of(status)] == number


def test_beyond_the_rfc() -> None:
    assert [cause_of(status) for status in (302, 485, 604, 487, 488, 491, 606, 580, 599, 499, 699)] == [
        "REDIRECTION_TO_NEW_DESTINATION",
        "NO_ROUTE_DESTINATION",
        "NO_ROUTE_DESTINATION",
        "ORIGINATOR_CANCEL",
        "INCOMPATIBLE_DESTINATION",
        "NORMAL_UNSPECIFIED",
        "INCOMPATIBLE_DESTINATION",
        "NORMAL_TEMPORARY_FAILURE",
        "NORMAL_TEMPORARY_FAILURE",
        "NORMAL_UNSPECIFIED",
        "NORMAL_UNSPECIFIED",
    ]


def test_every_word_is_of_q850_or_freeswitch() -> None:
    assert {word for word in CAUSE_OF_STATUS.values() if word not in Q850} == {"ORIGINATOR_CANCEL"}


def busy(*values: str) -> Response:
    return Response(486, "Busy Here", {"Reason": list(values)} if values else {})


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ((), None),
        (('Q.850;cause=17;text="user busy"',), Why("USER_BUSY", None, "user busy")),
        (("q.850 ; cause = 16",), Why("NORMAL_CLEARING", None, None)),
        (("SIP;cause=200", "Q.850;cause=19"), Why("NO_ANSWER", None, None)),
        (('SIP;text="a, b", Q.850;cause=21;text=plain',), Why("CALL_REJECTED", None, "plain")),
        (("Q.850;cause=126",), Why("INTERWORKING", None, None)),
        (("Q.850;cause=0",), Why("NORMAL_UNSPECIFIED", None, None)),
        (("Q.850;cause=999",), Why("NORMAL_UNSPECIFIED", None, None)),
        (("SIP;cause=200",), None),
        (('SIP;cause=200;text="Call completed elsewhere"',), None),
        (('SIP;cause=486;text="Busy Here"',), Why("USER_BUSY", 486, "Busy Here")),
        (('sip ; cause=603, Q.850;cause=16;text="bye"',), Why("NORMAL_CLEARING", None, "bye")),
        (("SIP;cause=503", "SIP;cause=486"), Why("NORMAL_TEMPORARY_FAILURE", 503, None)),
        (("SIP;cause=999",), None),
        (('Q.850;text="open', "SIP;cause=480"), Why("NO_USER_RESPONSE", 480, None)),
        (("X.int;reasoncode=0x00000000;add-info=05CC.0001.0002",), None),
        (("Q.850",), None),
        (("Q.850;cause=x",), None),
        (("Q.850;cause=" + "9" * 5000,), None),
        (("Q.850;cause=16;cause=17",), None),
        (('Q.850;text="open',), None),
    ],
)
def test_reason_headers(values: tuple[str, ...], why: Why | None) -> None:
    assert said_in(busy(*values)) == why


def test_the_peers_cause_goes_before_the_codes() -> None:
    assert why_of(480, busy("Q.850;cause=20"), "Gone") == Why("SUBSCRIBER_ABSENT", 480, "Gone")
    assert why_of(480, busy('Q.850;cause=20;text="absent"'), "") == Why("SUBSCRIBER_ABSENT", 480, "absent")
    assert why_of(480, busy(), "Gone") == Why("NO_USER_RESPONSE", 480, "Gone")


@pytest.mark.parametrize(
    ("why", "headers"),
    [
        (Why("USER_BUSY", 486), ['Q.850;cause=17;text="USER_BUSY"', 'SIP;cause=486;text="Busy Here"']),
        (Why("USER_BUSY", 600), ['Q.850;cause=17;text="USER_BUSY"', 'SIP;cause=600;text="Busy Everywhere"']),
        (Why("USER_BUSY"), ['Q.850;cause=17;text="USER_BUSY"', 'SIP;cause=486;text="Busy Here"']),
        (Why("NORMAL_CLEARING"), ['Q.850;cause=16;text="NORMAL_CLEARING"']),
        (Why("NORMAL_CLEARING", 200), ['Q.850;cause=16;text="NORMAL_CLEARING"']),
        (
            Why("ORIGINATOR_CANCEL", 487),
            ['Q.850;cause=31;text="ORIGINATOR_CANCEL"', 'SIP;cause=487;text="Request Terminated"'],
        ),
        (
            Why("PROTOCOL_ERROR", 499),
            ['Q.850;cause=111;text="PROTOCOL_ERROR"', 'SIP;cause=499;text="PROTOCOL_ERROR"'],
        ),
        (ELSEWHERE, ['SIP;cause=200;text="Call completed elsewhere"']),
    ],
)
def test_our_reason_headers(why: Why, headers: list[str]) -> None:
    assert why.headers == headers


# RFC 3398 §7.2.4.1, by the numbers it prints; 23 is 410 there without a new number to try.
RFC_3398_BACK = {
    1: 404, 2: 404, 3: 404, 17: 486, 18: 408, 19: 480, 20: 480, 21: 403, 22: 410, 23: 410, 27: 502, 28: 484, 29: 501,
    31: 480, 34: 503, 38: 503, 41: 503, 42: 503, 47: 503, 55: 403, 57: 403, 58: 503, 65: 488, 70: 488, 79: 501, 87: 403,
    88: 503, 102: 504, 111: 500, 127: 500,
}  # fmt: skip


@pytest.mark.parametrize(("number", "status"), RFC_3398_BACK.items())
def test_back_by_rfc_3398(number: int, status: int) -> None:
    """A Q.850 cause that one leg says, in the words of SIP for the other one."""
    why = said_in(busy(f"Q.850;cause={number}"))
    assert why is not None
    assert why.headers[0].startswith(f"Q.850;cause={number};"), "the number crosses as it is"
    assert why.headers[1].startswith(f"SIP;cause={status};")


def test_causes_that_the_rfc_does_not_have() -> None:
    assert [Why(word).status for word in ("NORMAL_CLEARING", "INVALID_CALL_REFERENCE", "WRONG_CALL_STATE")] == [
        None, 500, 500,
    ]  # fmt: skip
    assert {number: word_of(number) for number in (4, 33, 48, 67, 84, 105, 120)} == {
        4: "NORMAL_UNSPECIFIED", 33: "RESOURCE_UNAVAILABLE", 48: "SERVICE_UNAVAILABLE", 67: "SERVICE_NOT_IMPLEMENTED",
        84: "INVALID_MSG_UNSPECIFIED", 105: "PROTOCOL_ERROR", 120: "INTERWORKING",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (None, None),
        ("Busy", "Busy"),
        ("besetzt – später", "besetzt – später"),
        (b"occup\xe9".decode("utf-8", "surrogateescape"), "occup\ufffd"),
        ("a\x00b\tc\x7f", "abc"),
    ],
)
def test_what_peers_say_is_fit_for_a_record(said: str | None, kept: str | None) -> None:
    """A lone surrogate or NUL in a reason phrase made the history refuse the record."""
    assert legible(said) == kept
    assert kept is None or kept.encode()
