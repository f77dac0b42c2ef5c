"""A client of OMICall's API, and the account it asks for."""

from __future__ import annotations

from typing import Any

from aiohttp import ClientResponse

from c2c_b2bua.service.exchange import Exchange
from tests.api.conftest import KEY, SETTINGS, Api
from tests.api.scripted_engine import ScriptedEngine

HOTLINE = "842899959300"
CUSTOMER = "0395187319"
DIALLED = "+84395187319"
OMICALL = (
    SETTINGS.replace("[calls]", '[numbers]\ncountry = "VN"\n[webhooks]\nallowed_networks = ["127.0.0.0/8"]\n[calls]')
    .replace('countries = ["US", "GB"]', 'countries = ["VN"]')
    .replace("[[account.user]]", 'do_not_call = ["0395187000"]\n  [[account.user]]', 1)
    .replace('extension = "1009"', 'extension = "1009"\n  name = "Đỗ Thị Hồng Vy"\n  email = "vy@acme.example.com"')
    .replace('number = "1001"', 'number = "100"')
    + f"""hotlines = ["02899959300x"]
[[trunk]]
name = "second"
proxy = "sip:second.example"
hotlines = ["{HOTLINE}", "+842873009999"]
"""
)
"""Extension 100 has an address, 1009 would have to register; the second carrier has the hotline."""


class Omicall:
    """Speaks as OMICall's clients do: Bearer and JSON unless told otherwise."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.token = ""

    @property
    def engine(self) -> ScriptedEngine:
        return self.api.engine

    @property
    def exchange(self) -> Exchange:
        return self.api.exchange

    async def log_in(self, api_key: str = KEY) -> None:
        _, body = await self.get("auth", token=None, apiKey=api_key)
        self.token = body["payload"]["access_token"]

    async def ask(self, verb: str, path: str, *, token: str | None = "", **options: Any) -> tuple[ClientResponse, Any]:
        """The response and its JSON, the envelope of which is always the same."""
        headers = dict(options.pop("headers", {}))
        if token is not None and "Authorization" not in headers:
            headers["Authorization"] = f"Bearer {token or self.token}"
        url = f"{self.api.base}/api/{path}"
        response = await self.api.session.request(verb, url, headers=headers, **options)
        if verb in ("OPTIONS", "HEAD"):
            return response, None
        assert response.content_type == "application/json", await response.text()
        body = await response.json()
        assert set(body) - {"message"} == {
            "status_code", "instance_id", "instance_name", "instance_version", "payload", "key_enabled",
        }  # fmt: skip
        assert body["key_enabled"] is False
        assert body["status_code"] in (9999, -9999)
        return response, body

    async def get(self, path: str, *, token: str | None = "", **query: Any) -> tuple[ClientResponse, Any]:
        return await self.ask("GET", path, token=token, params=query)

    async def post(self, path: str, fields: Any, **options: Any) -> tuple[ClientResponse, Any]:
        return await self.ask("POST", path, json=fields, **options)

    async def call(self, **fields: Any) -> tuple[ClientResponse, Any]:
        """POST click2call, as in the documents."""
        return await self.post(
            "click2call", {"extension": "100", "hotline": HOTLINE, "phone_number": CUSTOMER, **fields}
        )

    async def placed(self, **fields: Any) -> str:
        """The call_uuid of a call that was made."""
        _, body = await self.call(**fields)
        assert body["status_code"] == 9999, body
        return str(body["payload"]["call_uuid"])
