"""§14.1 and §14.2 of the API description: TVox's version, log-in and the session it makes."""

from __future__ import annotations

import hmac
from http.cookies import SimpleCookie

import msgspec
import pytest

from api import tvox_session
from c2c_b2bua import __version__
from tests.api.conftest import KEY, A, Api
from tests.api.tvox_client import PATH, Tvox, settings_with_people

LOGGED = {
    "username": "mrossi",
    "surname": "Rossi",
    "name": "Mario",
    "publicUsername": "mrossi",
    "status": "LOGGED",
    "language": None,
    "anonymous": False,
    "pwdChangeable": False,
    "chatUserId": None,
    "chatAuthToken": None,
    "chatUri": None,
    "profileRoles": ["TVOX_SUPERVISOR", "TVOX_USER"],
    "userPermissions": ["SUPERVISOR"],
    "logged": True,
}
WRONG = {"code": -32001, "message": "Username or password is wrong", "data": {"cause": "BAD_CREDENTIALS"}}


@pytest.fixture
def settings_text() -> str:
    return settings_with_people()


@pytest.fixture
def tvox(api: Api) -> Tvox:
    return Tvox(api)


async def is_logged_in(tvox: Tvox) -> bool:
    """A list of calls is shown to those who are."""
    found = await tvox.call("getServiceCurrentCalls")
    assert found == [] or found["code"] == -32001
    return bool(found == [])


async def test_14_1_get_version_echoes_the_id(tvox: Tvox) -> None:
    answer = await tvox.send({"id": 0, "jsonrpc": "2.0", "method": "getVersion", "params": []})
    assert answer == {"id": 0, "jsonrpc": "2.0", "result": [__version__, "10.26.0"]}


async def test_14_2_login(tvox: Tvox) -> None:
    body = '{"id": 2, "jsonrpc": "2.0", "method": "login", "params": ["10.26.0", "mrossi", "secret"]}'
    response = await tvox.post(body)
    answer = await response.json()
    token = answer["result"].pop("sessionId")
    assert answer["result"].pop("accessToken")
    assert answer == {"jsonrpc": "2.0", "id": 2, "result": LOGGED}
    assert response.headers.getall("Set-Cookie") == [f"JSESSIONID={token}; HttpOnly; Path=/tvox; SameSite=Lax"]
    assert response.headers["Cache-Control"] == "no-store"
    tvox.session = token
    assert await is_logged_in(tvox)


async def test_14_2_the_cookie_is_secure_where_the_client_came_by_https(tvox: Tvox) -> None:
    body = '{"id": 2, "jsonrpc": "2.0", "method": "login", "params": ["", "mrossi", "secret"]}'
    response = await tvox.post(body, X_Forwarded_Proto="https")
    assert response.headers["Set-Cookie"].endswith("SameSite=Lax; Secure")


@pytest.mark.parametrize(
    ("username", "password", "account"),
    [
        ("mrossi", "secret", "acme"),
        ("mrossi", "child pw", "child"),
        ("mrossi@acme.example.com", "secret", "acme"),
        ("mrossi@Child.Example.com", "child pw", "child"),
        ("mario.rossi@ACME.example.com", "secret", "acme"),
        ("boss", "bosspw", "acme"),
    ],
)
async def test_14_2_who_logs_in(tvox: Tvox, username: str, password: str, account: str) -> None:
    found = await tvox.log_in(username, password)
    assert found["username"] == username.partition("@")[0].replace("mario.rossi", "mrossi")
    accounts = tvox.api.exchange.accounts
    assert accounts.by_id[accounts.grant(tvox.session).account_id].name == account


async def test_14_2_a_user_without_a_full_name(tvox: Tvox) -> None:
    found = await tvox.log_in("boss", "bosspw")
    assert (found["name"], found["surname"]) == ("", "boss")


async def test_14_2_by_name(tvox: Tvox) -> None:
    found = await tvox.call("login", {"username": "mrossi", "password": "secret"})
    assert found["logged"] is True


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("mrossi", "wrong"),
        ("mrossi", ""),
        ("nobody", "secret"),
        ("MROSSI", "secret"),
        ("mrossi@child.example.com", "secret"),
        ("mrossi@nowhere.example", "secret"),
        ("agent", "secret"),
        ("bianchi", "secret"),
    ],
)
async def test_14_2_an_unknown_user_and_a_wrong_password_are_told_the_same(
    tvox: Tvox, username: str, password: str
) -> None:
    response = await tvox.post(
        f'{{"id": 7, "jsonrpc": "2.0", "method": "login", "params": ["", "{username}", "{password}"]}}'
    )
    assert (await response.json())["error"] == WRONG
    assert (response.status, "Set-Cookie" in response.headers) == (200, False)


@pytest.mark.parametrize("username", ["mrossi@acme.example.com", "nobody"])
async def test_14_2_secrets_are_compared_in_constant_time(
    tvox: Tvox, username: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One hash and one comparison, whether there is such a user or not."""
    compared = []

    class Watched:
        @staticmethod
        def compare_digest(one: str, other: str) -> bool:
            compared.append((len(one), len(other)))
            return hmac.compare_digest(one, other)

    monkeypatch.setattr(tvox_session, "hmac", Watched)
    await tvox.log_in(username, "wrong")
    assert compared == [(32, 32)]


async def test_14_2_only_supervisors(tvox: Tvox) -> None:
    found = await tvox.log_in("agent", "agentpw")
    assert (found["code"], found["data"]) == (-32001, {"cause": "NOT_SUPERVISOR"})
    assert await tvox.log_in("agent", "wrong") == WRONG


async def test_14_2_a_kazoo_token_of_somebody_who_is_no_supervisor_is_no_session(tvox: Tvox) -> None:
    accounts = tvox.api.exchange.accounts
    account = accounts.by_id[A]
    tvox.session = accounts.issue(account, next(user.id for user in account.users if user.username == "agent")).token
    found = await tvox.call("getServiceCurrentCalls")
    assert (found["code"], found["data"]["cause"]) == (-32001, "NOT_SUPERVISOR")


async def test_14_2_a_token_of_an_api_key_is_nobody(tvox: Tvox) -> None:
    _, body = await tvox.api.call("PUT", "/v2/api_auth", {"api_key": KEY})
    tvox.session = body["auth_token"]
    assert not await is_logged_in(tvox)


class TestTwins:
    @pytest.fixture
    def settings_text(self) -> str:
        return settings_with_people().replace('"bianchi pw"', '"secret"').replace('"bianchi"', '"mrossi"')

    async def test_14_2_a_password_that_does_not_decide(self, tvox: Tvox) -> None:
        found = await tvox.log_in("mrossi", "secret")
        assert (found["code"], found["data"]) == (-32001, {"cause": "AMBIGUOUS"})
        found = await tvox.log_in("mrossi@stranger.example.com", "secret")
        assert found["logged"] is True


async def test_14_2_an_account_that_is_disabled(tvox: Tvox) -> None:
    await tvox.log_in()
    accounts = tvox.api.exchange.accounts
    accounts.by_id[A] = msgspec.structs.replace(accounts.by_id[A], enabled=False)
    for found in (await tvox.call("getServiceCurrentCalls"), await tvox.log_in()):
        assert (found["code"], found["data"]) == (-32003, {"cause": "ACCOUNT_DISABLED"})
    assert await tvox.log_in("mrossi", "wrong") == WRONG


async def test_14_2_without_a_session(tvox: Tvox) -> None:
    for method in ("dialNumber", "dialNumberByEmail", "hangupCall", "getServiceCurrentCalls", "recOn", "recOff"):
        found = await tvox.call(method, [])
        assert found == {"code": -32001, "message": "Not logged in", "data": {"cause": "NO_SESSION"}}


@pytest.mark.parametrize(
    "cookie", ["", "JSESSIONID=", "JSESSIONID=abc", "JSESSIONID=a.b.c", "X=1; ;=;JSESSIONID", "\t"]
)
async def test_14_2_a_foreign_cookie(tvox: Tvox, cookie: str) -> None:
    found = await tvox.call("getServiceCurrentCalls", [], Cookie=cookie)
    assert found["data"]["cause"] == "NO_SESSION"


async def test_14_2_an_expired_session(tvox: Tvox) -> None:
    tvox.api.engine.clock = tvox.api.engine.now()
    await tvox.log_in()
    tvox.api.engine.clock += 3600
    found = await tvox.call("getServiceCurrentCalls")
    assert (found["code"], found["data"]["cause"]) == (-32001, "SESSION_EXPIRED")


async def test_14_2_a_session_that_is_used_goes_on(tvox: Tvox) -> None:
    """Half of its hour over, the next call brings a new cookie."""
    tvox.api.engine.clock = tvox.api.engine.now()
    await tvox.log_in()
    body = '{"jsonrpc": "2.0", "method": "getServiceCurrentCalls", "id": 1}'
    tvox.api.engine.clock += 1799
    assert "Set-Cookie" not in (await tvox.post(body)).headers
    tvox.api.engine.clock += 2
    assert "Set-Cookie" in (await tvox.post(body, Authorization="Basic cHJveHk6eA==")).headers
    cookie: SimpleCookie = SimpleCookie((await tvox.post(body)).headers["Set-Cookie"])
    new = cookie["JSESSIONID"]
    assert (new["path"], new["httponly"]) == ("/tvox", True)
    tvox.session = new.value
    tvox.api.engine.clock += 3000
    assert await is_logged_in(tvox)


async def test_14_2_of_several_cookies_the_good_one_counts(tvox: Tvox) -> None:
    await tvox.log_in()
    for cookie in (f"JSESSIONID={tvox.session}; JSESSIONID=other", f'a=b; JSESSIONID=x; JSESSIONID="{tvox.session}"'):
        assert await tvox.call("getServiceCurrentCalls", [], Cookie=cookie) == []


async def test_14_2_the_access_token_is_good_as_a_bearer(tvox: Tvox) -> None:
    """For pages of another origin, which cannot set a cookie."""
    found = await tvox.call("login", ["", "mrossi", "secret"])
    token = found["accessToken"]
    assert await tvox.call("getServiceCurrentCalls", [], Authorization=f"Bearer {token}") == []
    tvox.api.engine.clock = tvox.api.engine.now() + 2000
    body = '{"jsonrpc": "2.0", "method": "getServiceCurrentCalls", "id": 1}'
    response = await tvox.post(body, Authorization=f"Bearer {token}")
    assert (await response.json())["result"] == []
    assert "Set-Cookie" not in response.headers
    found = await tvox.call("getServiceCurrentCalls", [], Authorization=f"Basic {token}")
    assert found["code"] == -32001


async def test_14_2_the_session_is_a_token_of_every_dialect(tvox: Tvox) -> None:
    """Nothing is kept in memory, so it survives a restart."""
    await tvox.log_in()
    response, _ = await tvox.api.call("GET", f"/v2/accounts/{A}/clicktocall", token=tvox.session)
    assert response.status == 200


async def test_14_2_logout(tvox: Tvox) -> None:
    await tvox.log_in()
    response = await tvox.post('{"jsonrpc": "2.0", "method": "logout", "params": [], "id": 1}')
    assert (await response.json())["result"] is True
    assert 'JSESSIONID=""; HttpOnly; Max-Age=0; Path=/tvox' in response.headers["Set-Cookie"]
    found = await tvox.call("getServiceCurrentCalls")
    assert (found["code"], found["data"]["cause"]) == (-32001, "SESSION_EXPIRED")
    assert (await tvox.call("logout"))["code"] == -32001


class TestLimits:
    """A log-in costs 35 of 100."""

    @pytest.fixture
    def settings_text(self) -> str:
        return "[api]\nrate_exempt = []\n" + settings_with_people()

    async def test_log_in_is_limited_by_client(self, tvox: Tvox) -> None:
        tvox.api.engine.clock = tvox.api.engine.now() + 1000
        found = [await tvox.log_in("mrossi", "wrong") for _ in range(3)]
        assert [error["code"] for error in found] == [-32001, -32001, -32003]
        data = found[2]["data"]
        assert (data["cause"], data["retry_after"]) == ("TOO_MANY_REQUESTS", 0.5)
        tvox.api.engine.clock += 0.5
        assert (await tvox.log_in())["logged"] is True

    async def test_a_batch_pays_for_every_log_in(self, tvox: Tvox) -> None:
        tvox.api.engine.clock = tvox.api.engine.now() + 1000
        call = {"jsonrpc": "2.0", "method": "login", "params": ["", "mrossi", "wrong"], "id": 1}
        answers = await tvox.send([call] * 5)
        assert sorted(answer["error"]["code"] for answer in answers) == [-32003] * 3 + [-32001] * 2


async def test_cors(api: Api) -> None:
    """A page of another origin may call; the browser asks first."""
    origin = {"Origin": "https://crm.example", "Access-Control-Request-Method": "POST"}
    async with api.session.options(f"{api.base}{PATH}", headers=origin) as response:
        assert (response.status, await response.read()) == (200, b"")
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert response.headers["Access-Control-Allow-Methods"] == "POST, OPTIONS"
        allowed = response.headers["Access-Control-Allow-Headers"].split(", ")
        assert {"content-type", "authorization", "idempotency-key"} <= set(allowed)
        assert "Access-Control-Allow-Credentials" not in response.headers
    for body, status in (('{"jsonrpc":"2.0","method":"getVersion","id":1}', 200), ("[]", 200), ("", 200)):
        async with api.session.post(f"{api.base}{PATH}", data=body, headers={"Origin": "null"}) as response:
            assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (status, "*")
    note = '{"jsonrpc":"2.0","method":"getVersion"}'
    async with api.session.post(f"{api.base}{PATH}", data=note, headers={"Origin": "null"}) as response:
        assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (204, "*")
