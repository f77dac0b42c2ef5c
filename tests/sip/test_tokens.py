"""Tags, branches and Call-IDs (RFC 3261 §19.3)."""

from __future__ import annotations

from c2c_b2bua.sip.grammar import TOKEN_PATTERN
from c2c_b2bua.sip.tokens import Tokens


def test_repeatable_for_a_secret_and_different_for_another() -> None:
    one, same, other = Tokens(b"x" * 32), Tokens(b"x" * 32), Tokens(b"y" * 32)
    row = [one.token() for _ in range(100)]
    assert row == [same.token() for _ in range(100)]
    assert not set(row) & {other.token() for _ in range(100)}


def test_never_twice() -> None:
    tokens = Tokens(b"x" * 32)
    assert len({tokens.token() for _ in range(20_000)}) == 20_000


def test_form() -> None:
    tokens = Tokens(b"x" * 32, "engine7")
    assert len(tokens.token()) == 16
    assert tokens.tag().startswith("engine7-")
    assert tokens.branch().startswith("z9hG4bKengine7-")
    assert TOKEN_PATTERN.fullmatch(tokens.tag()) and TOKEN_PATTERN.fullmatch(tokens.branch())


def test_numbers_stay_below_their_bound() -> None:
    tokens = Tokens(b"x" * 32)
    assert {tokens.number(11) for _ in range(1000)} == set(range(11))


def test_a_seal_is_the_same_for_the_same_text_and_secret_only() -> None:
    tokens = Tokens(b"secret")
    assert tokens.seal("call") == tokens.seal("call")
    others = [tokens.seal("calm"), Tokens(b"other").seal("call"), Tokens(b"secret", "2").seal("call"), tokens.tag()]
    assert len({tokens.seal("call"), *others}) == 5
    assert tokens.seal("\udcff").startswith("1-")
