"""What of a body is taken for JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.json_body import DEEPEST, BadJsonError, decoded

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
)


@given(VALUES)
def test_any_json_is_read_as_it_is(value: object) -> None:
    assert decoded(json.dumps(value).encode()) == value
    assert decoded(b"\xef\xbb\xbf" + json.dumps(value, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"a":2}',
        b'{"data":{"contact":"1","contact":"2"}}',
        b'[{"x":{"y":[{"k":1,"k":1}]}}]',
        b'{"a":"\\u003a","a":":"}',
        b'{"a:":1,"a:":2}',
        b'{"a":1,"\\u0061":2}',
        b'{"a":1,"a":2,"b":"\\u003a"}',
    ],
)
def test_a_key_twice_is_an_error(body: bytes) -> None:
    with pytest.raises(BadJsonError, match="twice"):
        decoded(body)


@pytest.mark.parametrize("body", [b"", b"{", b'{"a":}', b"\xff", b'"\xc3"', b"nul", b"{'a':1}", b"1 2"])
def test_what_is_no_json_is_an_error(body: bytes) -> None:
    with pytest.raises(BadJsonError):
        decoded(body)


def test_nesting_has_an_end() -> None:
    assert decoded(b"[" * DEEPEST + b"]" * DEEPEST)
    for depth in (DEEPEST + 1, 5000, 1_000_000):
        with pytest.raises(BadJsonError):
            decoded(b"[" * depth + b"]" * depth)
