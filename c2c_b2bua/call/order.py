"""What is asked of the core: two parties to be rung one after the other, and joined."""

from __future__ import annotations

from typing import Literal

import msgspec

from c2c_b2bua.dialog.party import Party

__all__ = ["CallOrder", "Party"]


class CallOrder(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One call: ring `a`; on its 200 OK ring `b`; join them."""

    call_id: str
    """The call's id in API and history, `c2c-<32 hex>-<10 hex>`; the legs have SIP Call-IDs of their own."""
    a: Party
    b: Party
    a_beside: tuple[Party, ...] = ()
    """Rung at once with `a`: the first to answer is the leg."""
    b_beside: tuple[Party, ...] = ()
    a_instead: tuple[tuple[Party, ...], ...] = ()
    """Groups rung in turn after `a` and those beside it failed in a way that lets another way succeed."""
    b_instead: tuple[tuple[Party, ...], ...] = ()
    bridge: Literal["reinvite", "refer"] = "reinvite"
    """How they are joined; `refer` only where A takes it."""
    codecs: tuple[str, ...] = ("PCMU", "PCMA", "telephone-event")
    max_duration: float = 14400.0
    """Seconds from the order to the end, whatever happens."""
