"""What a leg asks for, beyond what the transaction layer does for it."""

from __future__ import annotations

from c2c_b2bua.transaction.actions import Action


class ForgetLeg(Action, frozen=True, gc=False):
    """The leg is down; it is kept only as long as its INVITE may still bring a 2xx."""

    owner: str
