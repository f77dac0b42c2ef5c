"""Every verb at every path of Kazoo's dialect, made from the table that serves them."""

from __future__ import annotations

from typing import NamedTuple

from api.app import KAZOO
from tests.api.conftest import A, Api

NAMES = {
    "accounts": "{account}",
    "clicktocall": "{document}",
    "calls": "{call}",
    "users": "{user}",
    "devices": "{device}",
    "quickcall": "4155550100",
    "user_auth": "{token}",
    "schemas": "clicktocall",
}
VERBS = ("GET", "PUT", "POST", "PATCH", "DELETE")


class Endpoint(NamedTuple):
    """One verb at one path; `is_public`: without a token."""

    version: str
    verb: str
    path: str
    verbs: frozenset[str]
    is_public: bool

    def __str__(self) -> str:
        return f"{self.verb} {self.path}"

    @property
    def of_account(self) -> bool:
        return "{account}" in self.path


def filled(parts: list[str]) -> str:
    """The path with a name for every star: that of what stands before it."""
    return "/".join(NAMES[parts[index - 1]] if part == "*" else part for index, part in enumerate(parts))


ENDPOINTS = [
    Endpoint(version, verb, f"/{version}/{filled(resource.parts)}", frozenset(resource.handlers), resource.is_public)
    for version in ("v1", "v2")
    for resource in KAZOO
    for verb in resource.handlers
]


class Place:
    """A server with one of everything, so that every path leads somewhere."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.names: dict[str, str] = {}

    async def prepare(self, **fields: object) -> None:
        """A click-to-call with a call that goes on; ids of a user and a phone."""
        document = await self.api.create(**fields)
        _, body = await self.api.call("GET", f"/v2/accounts/{A}/users")
        user = body["data"][0]["id"]
        _, body = await self.api.call("GET", f"/v2/accounts/{A}/devices?filter_username=1001")
        device = body["data"][0]["id"]
        _, body = await self.api.connect(document)
        self.api.engine.orders.clear()
        self.names = {
            "account": A,
            "document": document,
            "call": body["data"]["call_id"],
            "user": user,
            "device": device,
            "token": self.api.token,
        }

    def path(self, endpoint: Endpoint, **names: str) -> str:
        """Where the endpoint is here."""
        return endpoint.path.format(**{**self.names, **names})
