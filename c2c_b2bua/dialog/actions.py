"""What a leg asks for, beyond what the transaction layer does for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from c2c_b2bua.transaction.actions import Action

if TYPE_CHECKING:
    from c2c_b2bua.dialog.leg import Leg


class KeepLeg(Action, frozen=True, gc=False):
    """A leg begins: what comes for it shall find it."""

    leg: Leg


class ForgetLeg(Action, frozen=True, gc=False):
    """The leg is down; it is kept only as long as its INVITE may still bring a 2xx."""

    owner: str
