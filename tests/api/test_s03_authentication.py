"""§3 of the API description: tokens, log-in, who may act on what, and the limit per client."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import msgspec
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


async def test_3_1_the_first_place_with_a_token_counts(api: Api) -> None:
    good, bad = api.token, "nonsense"
    for status, headers, query, envelope in (
        (200, {"X-Auth-Token": good, "Authorization": bad}, bad, bad),
        (401, {"X-Auth-Token": bad, "Authorization": good}, good, good),
        (200, {"Authorization": bad}, good, bad),
        (401, {"Authorization": good}, bad, good),
        (200, {"Authorization": bad}, None, good),
        (200, {"Authorization": good}, None, None),
    ):
        body: dict[str, Any] = {"data": {}} | ({"auth_token": envelope} if envelope else {})
        path = LIST + (f"?auth_token={query}" if query else "")
        response, _ = await api.call("GET", path, json=body, headers=headers, token=None)
        assert response.status == status, (headers, query, envelope)
    _, body = await api.call("PUT", LIST, {"name": "x", "extension": "1", "auth_token": bad}, token=good)
    assert body["status"] == "success"


@pytest.mark.parametrize("value", [5, True, {}, [], ["x"]])
async def test_3_1_a_token_that_is_no_text(api: Api, value: Any) -> None:
    for envelope in ({"data": {"auth_token": value}}, {"data": {}, "auth_token": value, "authorization": value}):
        response, body = await api.call("GET", LIST, json=envelope, token=None)
        assert (response.status, body["message"]) == (401, "invalid_credentials")


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


async def test_3_1_a_token_in_other_letters_is_none(api: Api) -> None:
    """The last letter of a signature has two bits to spare; a token that was given back must not live on by them."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    place = alphabet.index(api.token[-1])
    twin = api.token[:-1] + alphabet[place + 1 if place % 4 == 0 else place - 1]
    assert base64.urlsafe_b64decode(twin.rpartition(".")[2] + "=") == base64.urlsafe_b64decode(
        api.token.rpartition(".")[2] + "="
    )
    for token in (twin, f"{api.token}=", f" {api.token}x"):
        response, body = await api.call("GET", LIST, token=token)
        assert (response.status, body["message"]) == (401, "invalid_credentials")


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


@pytest.mark.parametrize(
    ("right", "status", "message"),
    [
        ("", 400, "validation error"),
        ("body", 404, "not_found"),
        ("body path", 405, "invalid_method"),
        ("body path verb", 404, "bad identifier"),
        ("body path verb id", 404, "bad_identifier"),
        ("body path verb id account", 401, "invalid_credentials"),
        ("body path verb id account token", 403, "forbidden"),
        ("body path verb id account token own", 415, None),
        ("body path verb id account token own type", 406, None),
        ("body path verb id account token own type accept", 404, "bad_identifier"),
        ("body path verb id account token own type accept document", 400, "validation error"),
        ("body path verb id account token own type accept document fields", 412, None),
        ("body path verb id account token own type accept document fields revision", 200, None),
    ],
)
async def test_3_1_the_order_of_checks(api: Api, right: str, status: int, message: str | None) -> None:
    """One thing after the other is put right; the answer is always about the first that is still wrong."""
    is_right = set(right.split())
    _, body = await api.call("PUT", "/v2/api_auth", {"api_key": STRANGER_KEY}, token=None)
    token = None if "token" not in is_right else api.token if "own" in is_right else body["auth_token"]
    document = await api.create() if "document" in is_right else "0" * 32
    account = A if "account" in is_right else "9" * 32 if "id" in is_right else "xyz"
    path = f"/v2/accounts/{account}/clicktocall/{document}" + ("" if "path" in is_right else "/bogus")
    name = "x" if "fields" in is_right else 5
    text = msgspec.json.encode({"data": {"name": name}}) + (b"" if "body" in is_right else b"}")
    headers = {
        "Content-Type": "application/json" if "type" in is_right or "body" not in is_right else "text/plain",
        "Accept": "*/*" if "accept" in is_right else "image/png",
    }
    if "revision" not in is_right:
        headers["If-Match"] = '"x"'
    verb = "PATCH" if "verb" in is_right else "PUT"
    response, body = await api.call(verb, path, data=text, headers=headers, token=token)
    assert (response.status, body and body.get("message")) == (status, message)


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
        {"credentials": CREDENTIALS, "realm": "ACME.example.COM"},
        {"credentials": CREDENTIALS, "phone_number": "1001"},
        {"credentials": SHA, "phone_number": "1009", "method": "sha"},
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
        {"credentials": CREDENTIALS, "account_name": ""},
        {"credentials": CREDENTIALS, "account_name": "stranger"},
        {"credentials": CREDENTIALS, "phone_number": "not a number"},
        {"credentials": CREDENTIALS, "account_name": "x" * 5000},
    ],
)
async def test_3_3_every_failed_log_in_gets_the_same_answer(api: Api, fields: dict[str, str]) -> None:
    response, body = await api.call("PUT", "/v2/user_auth", fields, token=None)
    assert response.status == 401
    assert (body["message"], body["data"]) == ("invalid_credentials", {"message": "invalid credentials"})


async def test_3_3_every_complaint_at_once(api: Api) -> None:
    response, body = await api.call("PUT", "/v2/user_auth", {"account_name": "acme"}, token=None)
    missing = {"credentials": {"required": {"message": "Field is required but missing", "value": "credentials"}}}
    assert (response.status, body["data"]) == (400, missing)
    fields = {"credentials": 5, "account_name": ["acme"], "method": "rot13"}
    response, body = await api.call("PUT", "/v2/user_auth", fields, token=None)
    found = {name: list(complaint) for name, complaint in body["data"].items()}
    assert (response.status, found) == (400, {"credentials": ["type"], "account_name": ["type"], "method": ["enum"]})


async def test_3_3_an_unknown_name_takes_as_much_work_as_a_wrong_password(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((len(one), other))
        return False

    monkeypatch.setattr(hmac, "compare_digest", compare)
    for name in ("acme", "nobody"):
        await api.call("PUT", "/v2/user_auth", {"credentials": CREDENTIALS, "account_name": name}, token=None)
    assert compared == [(32, CREDENTIALS.encode())] * 2


async def test_3_4_another_token_can_be_asked_about_by_who_may(api: Api) -> None:
    _, body = await api.call("PUT", "/v2/api_auth", {"api_key": STRANGER_KEY}, token=None)
    theirs = body["auth_token"]
    for path, token, status in (
        (f"/v2/user_auth/{theirs}", api.token, 401),
        (f"/v2/user_auth/{api.token}", theirs, 401),
        (f"/v2/user_auth/{api.token}", None, 401),
        ("/v2/user_auth/nonsense", api.token, 401),
        (f"/v2/user_auth/{api.token}", api.token, 200),
        ("/v2/token_auth", None, 401),
    ):
        response, _ = await api.call("GET", path, token=token)
        assert response.status == status, (path, token)
    response, _ = await api.call("DELETE", "/v2/token_auth", token=None)
    assert response.status == 401


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
    assert set(body["data"]["properties"]) >= {"name", "extension", "auth_required", "whitelist", "throttle"}
    response, body = await api.call("GET", "/v2/schemas/nothing", token=None)
    assert (response.status, body["message"]) == (404, "bad_identifier")
    _, body = await api.call("GET", "/v2/schemas", token=None)
    assert body["data"] == ["clicktocall"]


async def test_an_account_and_what_is_below_it(api: Api) -> None:
    response, body = await api.call("GET", f"/v2/accounts/{A}")
    found = {name: body["data"][name] for name in ("id", "name", "realm")}
    assert (response.status, found) == (200, {"id": A, "name": "acme", "realm": "acme.example.com"})
    _, body = await api.call("GET", f"/v2/accounts/{A}/descendants")
    assert body["data"] == [{"id": CHILD, "name": "child", "realm": "child.example.com"}]
    assert body["page_size"] == 1
    _, body = await api.call("GET", f"/v2/accounts/{CHILD}")
    assert (body["data"]["name"], body["data"]["reseller_id"]) == ("child", A)
    response, body = await api.call("GET", f"/v2/accounts/{STRANGER}")
    assert (response.status, body["message"]) == (403, "forbidden")
    _, body = await api.call("GET", "/v2/account")
    assert body["data"]["id"] == A
    assert KEY not in str(body)
    response, body = await api.call("GET", "/v2/accounts/clicktocall")
    assert (response.status, body["data"]) == (404, {"message": "invalid account_id 'clicktocall'"})


async def test_users_and_devices_can_be_read_and_hold_no_secret(api: Api) -> None:
    _, body = await api.call("GET", f"/v2/accounts/{A}/users")
    (user,) = body["data"]
    assert (user["username"], user["extension"], len(user["id"])) == ("mrossi", "1009", 32)
    _, body = await api.call("GET", f"/v2/accounts/{A}/users/{user['id']}")
    assert body["data"] == user
    _, body = await api.call("GET", f"/v2/accounts/{A}/devices?filter_username=1001")
    (device,) = body["data"]
    _, body = await api.call("GET", f"/v2/accounts/{A}/devices/{device['id']}")
    assert body["data"]["sip"] == {
        "username": "1001",
        "realm": "acme.example.com",
        "method": "ip",
        "invite_format": "route",
        "route": "sip:1001@192.0.2.10:5060",
    }
    _, body = await api.call("GET", f"/v2/accounts/{A}/devices?ascending=true&page_size=2")
    assert (len(body["data"]), "next_start_key" in body) == (2, True)
    _, rest = await api.call("GET", f"/v2/accounts/{A}/devices?ascending=true&start_key={body['next_start_key']}")
    everything = [*body["data"], *rest["data"]]
    assert sorted(item["username"] for item in everything) == ["1001", "1009", "2600"]
    owned = next(item for item in everything if item["username"] == "1009")
    assert owned["owner_id"] == user["id"]
    for text in ("secret", CREDENTIALS, SHA):
        assert text not in str((user, everything))
    for kind in ("users", "devices"):
        response, body = await api.call("GET", f"/v2/accounts/{A}/{kind}/{'0' * 32}")
        assert (response.status, body["message"]) == (404, "bad_identifier")
        response, _ = await api.call("PUT", f"/v2/accounts/{A}/{kind}", {"name": "x"})
        assert response.status == 405
        response, _ = await api.call("GET", f"/v2/accounts/{A}/{kind}", token=None)
        assert response.status == 401


class TestShut:
    """§5.4: accounts that are disabled or expired."""

    @pytest.fixture
    def settings_text(self, settings_text: str) -> str:
        return settings_text.replace(f'parent = "{A}"', f'parent = "{A}"\nenabled = false').replace(
            'name = "stranger"', 'name = "stranger"\nexpires = "2020-01-31"'
        )

    async def test_5_4_a_disabled_account_is_locked(self, api: Api) -> None:
        disabled = {"account": {"disabled": {"message": "account disabled"}}}
        for verb, path in (
            ("GET", "/clicktocall"),
            ("PUT", "/clicktocall"),
            ("GET", f"/clicktocall/{'0' * 32}/history"),
            ("POST", f"/clicktocall/{'0' * 32}/connect"),
            ("GET", "/users"),
            ("GET", ""),
        ):
            response, body = await api.call(verb, f"/v2/accounts/{CHILD}{path}")
            assert (response.status, body["error"], body["message"]) == (423, "423", "locked"), path
            assert body["data"] == disabled
        response, _ = await api.call("GET", f"/v2/accounts/{CHILD}/clicktocall", token=None)
        assert response.status == 401
        _, body = await api.call("GET", f"/v1/accounts/{CHILD}/clicktocall")
        assert body["data"] == {"account": {"disabled": "account disabled"}}

    async def test_5_4_an_expired_account_is_locked(self, api: Api) -> None:
        response, body = await api.call("PUT", "/v2/api_auth", {"api_key": STRANGER_KEY}, token=None)
        assert (response.status, body["message"]) == (423, "locked")
        expired = {"message": "account expired", "cause": 1_580_515_200 + 62_167_219_200}
        assert body["data"] == {"account": {"expired": expired}}


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

    async def test_3_5_another_account_has_a_bucket_of_its_own(self, api: Api) -> None:
        api.engine.clock = api.engine.now()
        while (await api.call("GET", LIST))[0].status == 200:
            pass
        assert (await api.call("GET", f"/v2/accounts/{CHILD}/clicktocall"))[0].status == 200

    async def test_3_5_a_wrong_password_costs_as_much_as_a_log_in(self, api: Api) -> None:
        api.engine.clock = api.engine.now()
        right = {"Authorization": "Basic " + base64.b64encode(f"{A}:{CREDENTIALS}".encode()).decode()}
        for _ in range(20):
            assert (await api.call("GET", LIST, headers=right, token=None))[0].status == 200
        wrong = {"Authorization": "Basic " + base64.b64encode(f"{A}:{'0' * 32}".encode()).decode()}
        wrong["X-Auth-Token"] = ""
        statuses = [(await api.call("GET", LIST, headers=wrong, token=None))[0].status for _ in range(4)]
        assert statuses == [401, 401, 429, 429]
        assert (await api.call("GET", LIST))[0].status == 200

    async def test_3_5_a_log_in_costs_more(self, api: Api) -> None:
        api.engine.clock = api.engine.now()
        statuses = [(await api.call("PUT", "/v2/api_auth", {"api_key": "9" * 64}))[0].status for _ in range(4)]
        assert statuses[-1] == 429
        assert 404 in statuses
