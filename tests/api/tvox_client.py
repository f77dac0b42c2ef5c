"""A client of TVox's WebAPI, and the accounts it is tried with."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from aiohttp import ClientResponse

from c2c_b2bua.service.exchange import Exchange
from tests.api.conftest import CHILD, SETTINGS, STRANGER, A, Api

PATH = "/tvox/webapi"
USER = '  [[account.user]]\n  username = "{}"\n  password = "{}"\n  extension = "{}"\n'
PEOPLE = {
    A: [
        'name = "Mario Rossi"\n  email = "Mario.Rossi@acme.example.com"\n',
        USER.format("agent", "agentpw", "1010") + "  supervisor = false\n",
        USER.format("boss", "bosspw", ""),
        '  [[account.extension]]\n  number = "600"\n  uri = "sip:600@192.0.2.60:5060"\n',
    ],
    CHILD: [USER.format("mrossi", "child pw", "1009"), USER.format("verdi", "verdi pw", "1020")],
    STRANGER: [USER.format("bianchi", "bianchi pw", "1009")],
}


def settings_with_people() -> str:
    """mrossi with a name; an agent, who is no supervisor; a boss without a phone; a child account with a mrossi too."""
    text = SETTINGS.replace('  extension = "1009"\n', '  extension = "1009"\n  ' + PEOPLE[A][0], 1)
    text = text.replace(
        '  [[account.extension]]\n  number = "1001"',
        "".join(PEOPLE[A][1:]) + '  [[account.extension]]\n  number = "1001"',
        1,
    )
    text = text.replace(f'parent = "{A}"\n', f'parent = "{A}"\n' + "".join(PEOPLE[CHILD]), 1)
    return text.replace("[[trunk]]", "".join(PEOPLE[STRANGER]) + "[[trunk]]", 1)


def register_phones(exchange: Exchange) -> None:
    """Every user's phone is where it can be rung."""
    for account in [*exchange.accounts.by_id.values()]:
        phones = {
            number: phone if phone.uri else msgspec.structs.replace(phone, uri=f"sip:{phone.number}@192.0.2.9:5060")
            for number, phone in account.phones.items()
        }
        exchange.accounts.by_id[account.id] = msgspec.structs.replace(account, phones=phones)


class Tvox:
    """Logged in when `session` is set."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.session = ""

    async def post(self, body: bytes | str, **headers: str) -> ClientResponse:
        """Any body."""
        if self.session:
            headers.setdefault("Cookie", f"JSESSIONID={self.session}")
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        response = await self.api.session.post(f"{self.api.base}{PATH}", data=body, headers=given)
        await response.read()
        return response

    async def send(self, value: Any, **headers: str) -> Any:
        """The JSON that is answered to this JSON, None when nothing is."""
        response = await self.post(json.dumps(value), **headers)
        if response.status == 204:
            assert await response.read() == b""
            return None
        assert response.status == 200
        assert response.headers["Content-Type"] == "application/json"
        return await response.json()

    async def call(self, method: str, params: Any = (), **headers: str) -> Any:
        """The result, or the error as a dict with a `code`."""
        answer = await self.send({"jsonrpc": "2.0", "method": method, "params": params, "id": 7}, **headers)
        assert (answer["jsonrpc"], answer["id"], len(answer)) == ("2.0", 7, 3)
        return answer["result"] if "result" in answer else answer["error"]

    async def log_in(self, username: str = "mrossi", password: str = "secret") -> Any:
        found = await self.call("login", ["10.26.0", username, password])
        self.session = found.get("sessionId", "")
        return found
