"""What is asked of the core: two parties to be rung one after the other, and joined."""

from __future__ import annotations

import msgspec

from c2c_b2bua.dialog.party import Party

__all__ = ["CallOrder", "Party"]


class CallOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One call: ring `a`; on its 200 OK ring `b`; join them."""

    call_id: str
    """The call's id in API and history, `c2c-<32 hex>-<10 hex>`; the legs have SIP Call-IDs of their own."""
    a: Party
    b: Party
    codecs: tuple[str, ...] = ("PCMU", "PCMA", "telephone-event")
    max_duration: float = 14400.0
    """Seconds from the order to the end, whatever happens."""
