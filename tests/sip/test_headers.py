"""Names of header fields (RFC 3261 §7.3)."""

from __future__ import annotations

import pytest

from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.headers import COMPACT_FORMS, canonical_name


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Via", "Via"),
        ("v", "Via"),
        ("V", "Via"),
        ("vIA", "Via"),
        ("Via  \t", "Via"),
        ("CALL-ID", "Call-ID"),
        ("i", "Call-ID"),
        ("cseq", "CSeq"),
        ("l", "Content-Length"),
        ("www-AUTHENTICATE", "WWW-Authenticate"),
        ("x-odd-header", "X-Odd-Header"),
        ("NewFangledHeader", "Newfangledheader"),
    ],
)
def test_one_spelling(written: str, name: str) -> None:
    assert canonical_name(written) == name


def test_compact_forms_of_rfc_3261() -> None:
    """§7.3.3 and §20: ten of them, by one letter."""
    forms = {letter: COMPACT_FORMS[letter] for letter in "ceiflmkstv"}
    assert forms == {
        "c": "Content-Type",
        "e": "Content-Encoding",
        "i": "Call-ID",
        "f": "From",
        "l": "Content-Length",
        "m": "Contact",
        "k": "Supported",
        "s": "Subject",
        "t": "To",
        "v": "Via",
    }


@pytest.mark.parametrize("written", ["", " ", "Fr om", "<sip", "Vía", "a\r\nb", "a:b", '"q"', "nul\x00"])
def test_names_that_are_no_tokens(written: str) -> None:
    with pytest.raises(SipError):
        canonical_name(written)
