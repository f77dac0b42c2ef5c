"""The ladder on the screen."""

from __future__ import annotations

from c2c_b2bua.ladder import said
from c2c_b2bua.sip.message import parse


def test_a_reason_phrase_that_is_no_utf8() -> None:
    """Printed as it came it raised UnicodeEncodeError, and the message never reached the core."""
    text = said(parse(b"SIP/2.0 486 Occup\xe9\x1b[2J\r\n\r\n"))
    assert text == "486 Occup\ufffd[2J"
    assert text.encode()
