"""§3 of the API description: tokens, log-in, who may act on what, and the limit per client."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from tests.api.conftest import CHILD, KEY, STRANGER, STRANGER_KEY, A, Api

LIST = f"/v2/accounts/{A}/clicktocall"
CREDENTIALS = hashlib.md5(b"mrossi:secret").hexdigest()
SHA = hashlib.sha1(b"mrossi:secret").hexdigest()


@pytest.mark.parametrize("how", ["header", "query", "data", "envelope", "bearer", "raw", "basic", "authorization"])
async def test_3_1_where_a_token_may_stand(api: Api, how: str) -> None:
    basic = base64.b64encode(f"{A}:{CREDENTIALS}".encode()).decode()
    headers = {
        "header": {"X-Auth-Token": api.token},
        "bearer": {"Authorization": f"Bearer {api.token}"},
        "raw": {"Authorization": api.token},
        "basic": {"Authorization": f"Basic {basic}"},
    }.get(how, {})
    query = {"query": f"?auth_token={api.token}", "authorization": f"?authorization=Bearer%20{api.token}"}.get(how, "")
    envelope: dict[str, Any] = {"data": {"auth_token": api.token} if how == "data" else {}}
    if how == "envelope":
        envelope["auth_token"] = api.token
    response, body = await api.call("GET", LIST + query, headers=headers, json=envelope, token=None)
    assert response.status == 200, body


async def test_3_1_no_token(api: Api) -> None:
    response, body = await api.call("GET", LIST, token=None)
    assert (response.status, body["error"], body["status"]) == (401, "401", "error")
    assert (body["message"], body["data"]) == ("invalid_credentials", {"message": "invalid credentials"})


@pytest.mark.parametrize("token", ["nonsense", "undefined", "a.b.c", "\u00fc"])
async def test_3_1_an_unreadable_token(api: Api, token: str) -> None:
    response, body = await api.call("GET", LIST, token=token)
    assert (response.status, body["message"]) == (401, "invalid_credentials")


@pytest.mark.parametrize("header", ["Basic !!!", "Basic", "Basic bm9ib2R5", "Digest x"])
async def test_3_1_an_unreadable_authorization(api: Api, header: str) -> None:
    response, _ = await api.call("GET", LIST, token=None, headers={"Authorization": header})
    assert response.status == 401


async def test_3_1_an_expired_token(api: Api) -> None:
    api.engine.clock = api.engine.now() + 3590
    response, _ = await api.call("GET", LIST)
    assert response.status == 200
    api.engine.clock += 20
    response, body = await api.call("GET", LIST)
    assert (response.status, body["message"], body["data"]) == (401, "invalid credentials", {})


async def test_3_1_a_token_signed_by_another(api: Api) -> None:
    head, claims, _ = api.token.split(".")
    response, _ = await api.call("GET", LIST, token=f"{head}.{claims}.{'A' * 43}")
    assert response.status == 401
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    response, _ = await api.call("GET", LIST, token=f"{none}.{claims}.")
    assert response.status == 401


async def test_3_1_descendants_may_be_acted_on_and_strangers_not(api: Api) -> None:
    response, _ = await api.call("GET", f"/v2/accounts/{CHILD}/clicktocall")
    assert response.status == 200
    response, body = await api.call("GET", f"/v2/accounts/{STRANGER}/clicktocall")
    assert (response.status, body["message"], body["data"]) == (403, "forbidden", {"message": "forbidden"})
    _, body = await api.call("PUT", "/v2/api_auth", {"api_key": STRANGER_KEY})
    response, _ = await api.call("GET", LIST, token=body["auth_token"])
    assert response.status == 403


async def test_3_1_405_and_unknown_accounts_come_before_401(api: Api) -> None:
    response, _ = await api.call("DELETE", LIST, token=None)
    assert response.status == 405
    response, body = await api.call("GET", f"/v2/accounts/{'9' * 32}/clicktocall", token=None)
    assert (response.status, body["message"]) == (404, "bad_identifier")
    assert body["data"] == {"message": "bad identifier", "cause": "9" * 32}
    response, body = await api.call("GET", "/v2/accounts/xyz/clicktocall", token=None)
    assert (response.status, body["message"]) == (404, "bad identifier")
    assert body["data"] == {"message": "invalid account_id 'xyz'"}


async def test_3_1_401_comes_before_415_and_406_and_404(api: Api) -> None:
    response, _ = await api.call("PUT", LIST, token=None, data="x", headers={"Content-Type": "text/plain"})
    assert response.status == 401
    response, _ = await api.call("GET", LIST, token=None, headers={"Accept": "image/png"})
    assert response.status == 401
    response, _ = await api.call("GET", f"{LIST}/{'0' * 32}", token=None)
    assert response.status == 401


@pytest.mark.parametrize("verb", ["PUT", "POST"])
async def test_3_2_api_auth(api: Api, verb: str) -> None:
    path = "/v2/api_auth" + ("?verb=PUT" if verb == "POST" else "")
    response, body = await api.call(verb, path, {"api_key": KEY}, token=None)
    assert (response.status, body["status"]) == (201, "success")
    assert (body["data"]["account_id"], body["data"]["account_name"]) == (A, "acme")
    assert "owner_id" not in body["data"]
    response, _ = await api.call("GET", LIST, token=body["auth_token"])
    assert response.status == 200


async def test_3_2_without_a_key(api: Api) -> None:
    response, body = await api.call("PUT", "/v2/api_auth", {}, token=None)
    assert response.status == 400
    assert body["data"]["api_key"]["required"]["value"] == "api_key"


@pytest.mark.parametrize(("key", "code"), [("", "minLength"), ("1" * 63, "minLength"), ("1" * 65, "maxLength")])
async def test_3_2_a_key_of_the_wrong_length(api: Api, key: str, code: str) -> None:
    response, body = await api.call("PUT", "/v2/api_auth", {"api_key": key}, token=None)
    assert (response.status, list(body["data"]["api_key"])) == (400, [code])


async def test_3_2_an_unknown_key(api: Api) -> None:
    response, body = await api.call("PUT", "/v2/api_auth", {"api_key": "9" * 64}, token=None)
    assert (response.status, body["message"], body["data"]) == (404, "bad identifier", ["9" * 64])


@pytest.mark.parametrize(
    "fields",
    [
        {"credentials": CREDENTIALS, "account_name": "acme"},
        {"credentials": CREDENTIALS.upper(), "account_name": "Acme", "method": "md5"},
        {"credentials": SHA, "account_realm": "acme.example.com", "method": "sha"},
        {"credentials": CREDENTIALS, "realm": "acme.example.com"},
    ],
)
async def test_3_3_user_auth(api: Api, fields: dict[str, str]) -> None:
    response, body = await api.call("PUT", "/v2/user_auth", fields, token=None)
    assert response.status == 201
    assert body["data"]["account_id"] == A
    assert len(body["data"]["owner_id"]) == 32
    token = body["auth_token"]
    response, again = await api.call("GET", f"/v2/user_auth/{token}", token=token)
    assert (response.status, again["data"]) == (200, body["data"])


@pytest.mark.parametrize(
    "fields",
    [
        {"credentials": "0" * 32, "account_name": "acme"},
        {"credentials": CREDENTIALS, "account_name": "nobody"},
        {"credentials": CREDENTIALS, "account_realm": "nobody.example"},
        {"credentials": CREDENTIALS, "phone_number": "4155550100"},
        {"credentials": CREDENTIALS},
        {"credentials": SHA, "account_name": "acme"},
        {"credentials": "", "account_name": "acme"},
        {"credentials": "ü", "account_name": "acme"},
        {"credentials": "0" * 32, "account_name": "stranger"},
    ],
)
async def test_3_3_every_failed_log_in_gets_the_same_answer(api: Api, fields: dict[str, str]) -> None:
    response, body = await api.call("PUT", "/v2/user_auth", fields, token=None)
    assert response.status == 401
    assert (body["message"], body["data"]) == ("invalid_credentials", {"message": "invalid credentials"})


async def test_3_3_without_credentials(api: Api) -> None:
    response, body = await api.call("PUT", "/v2/user_auth", {"account_name": "acme"}, token=None)
    assert (response.status, list(body["data"])) == (400, ["credentials"])
    fields = {"credentials": CREDENTIALS, "account_name": "acme", "method": "rot13"}
    response, body = await api.call("PUT", "/v2/user_auth", fields, token=None)
    assert (response.status, list(body["data"]["method"])) == (400, ["enum"])


async def test_3_4_a_token_can_be_asked_about_and_ended(api: Api) -> None:
    response, body = await api.call("GET", "/v2/token_auth")
    assert (response.status, body["data"]["account_id"]) == (200, A)
    response, _ = await api.call("DELETE", "/v2/token_auth")
    assert response.status == 200
    assert "X-Auth-Token" not in response.headers
    response, body = await api.call("GET", LIST)
    assert (response.status, body["message"]) == (401, "invalid credentials")


async def test_3_6_the_schema_is_open(api: Api) -> None:
    response, body = await api.call("GET", "/v2/schemas/clicktocall", token=None)
    assert response.status == 200
    assert body["data"]["required"] == ["name", "extension"]
    response, _ = await api.call("GET", "/v2/schemas/nothing", token=None)
    assert response.status == 404


class TestLimit:
    """§3.5, with nobody exempt."""

    @pytest.fixture
    def settings_text(self, settings_text: str) -> str:
        return settings_text.replace("[storage]", "[api]\nrate_exempt = []\n[storage]", 1)

    async def test_3_5_a_client_is_limited_and_told_for_how_long(self, api: Api) -> None:
        api.engine.clock = api.engine.now()
        for _ in range(100):
            response, _ = await api.call("GET", LIST)
            assert response.status == 200
        response, body = await api.call("GET", LIST)
        assert (response.status, body["message"], body["data"]) == (
            429,
            "too_many_requests",
            {"message": "too many requests"},
        )
        assert response.headers["Retry-After"] == "1"
        api.engine.clock += 0.1
        response, _ = await api.call("GET", LIST)
        assert response.status == 200

    async def test_3_5_a_log_in_costs_more(self, api: Api) -> None:
        api.engine.clock = api.engine.now()
        statuses = [(await api.call("PUT", "/v2/api_auth", {"api_key": "9" * 64}))[0].status for _ in range(4)]
        assert statuses[-1] == 429
        assert 404 in statuses
