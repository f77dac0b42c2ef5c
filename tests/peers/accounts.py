"""The real server with people in it: somebody who logs in, and an account that is not theirs."""

from __future__ import annotations

import json
from typing import Any

from tests.sipp.server import Server

USERNAME, PASSWORD = "mrossi", "a:secret ü"
STRANGER = "c" * 32


class PeopledServer(Server):
    """With the user `mrossi`, who supervises, and the account `stranger`."""

    def settings(self, *given: Any) -> str:
        """The configuration file."""
        user = {"username": USERNAME, "password": PASSWORD, "extension": "1009", "name": "Mario Rossi"}
        stranger = {"id": STRANGER, "name": "stranger", "realm": "stranger.example.com"}
        tables = [("[[account.user]]", user), ("[[account]]", stranger)]
        text = [
            "\n".join(
                [head, *(f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in values.items()), ""]
            )
            for head, values in tables
        ]
        return "\n".join([super().settings(*given), *text])
