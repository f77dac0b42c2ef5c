"""What the server says is what the description says: every success of every operation, and many refusals."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from api.omicall_hooks import rendered
from api.openapi.kazoo_requests import ACCOUNT_ID, API_KEY, MD5
from api.openapi.service import SERVICE
from api.tvox import METHODS
from c2c_b2bua.call.record import CallRecord, LegRecord
from c2c_b2bua.service.events import KINDS, CallEvent
from c2c_b2bua.service.exchange import Exchange
from tests.api.conftest import Api
from tests.api.described import SETTINGS, Judge, examples
from tests.api.scripted_engine import ScriptedEngine
from tests.api.tvox_client import register_phones

ADMIN = "whoever runs the service"


@pytest.fixture
def settings_text() -> str:
    return f'[control]\nadmin_token = "{ADMIN}"\n{SETTINGS}'


class Heard:
    """A client all of whose answers are held against the description."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.judge = Judge()

    async def ask(self, verb: str, path: str, body: Any = None, status: int = 200, **headers: str) -> Any:
        """The JSON that is answered, if it is JSON, with this status."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        data = msgspec.json.encode(body) if body is not None else None
        url = f"{self.api.base}{path}"
        async with self.api.session.request(verb, url, data=data, headers=headers) as response:
            answer = await response.read()
            assert response.status == status, answer
            self.judge.hold(verb, path.partition("?")[0], status, response.content_type, answer)
            is_json = answer and response.content_type == "application/json"
            return msgspec.json.decode(answer) if is_json else answer


@pytest.fixture
async def heard(exchange: Exchange, engine: ScriptedEngine, api: Api) -> Heard:
    register_phones(exchange)
    exchange.accounts.configured = dict(exchange.accounts.by_id)
    return Heard(api)


@pytest.mark.parametrize(("version", "tag"), [("v2", "Kazoo v2"), ("v1", "Kazoo v1")])
async def test_kazoo_answers_as_described(heard: Heard, engine: ScriptedEngine, version: str, tag: str) -> None:
    root = f"/{version}"
    found = await heard.ask("PUT", f"{root}/api_auth", {"data": {"api_key": API_KEY}}, 201)
    credentials = {"credentials": MD5, "account_name": "acme"}
    user = await heard.ask("PUT", f"{root}/user_auth", {"data": credentials}, 201)
    who = {"X_Auth_Token": found["auth_token"]}

    async def ask(verb: str, path: str, body: Any = None, status: int = 200, **headers: str) -> Any:
        return await heard.ask(verb, f"{root}/{path}", body, status, **who, **headers)

    await ask("GET", "token_auth")
    await ask("GET", f"user_auth/{user['auth_token']}")
    await ask("GET", "schemas")
    await ask("GET", "schemas/clicktocall")
    here = f"accounts/{ACCOUNT_ID}"
    await ask("GET", here)
    for path in (
        f"{here}/descendants",
        f"{here}/users",
        f"{here}/devices",
        f"{here}/registrations",
        f"{here}/trunks",
        f"{here}/clicktocall",
    ):
        await ask("GET", path)
        await ask("GET", f"{path}?accept=csv")
    (mario,) = (await ask("GET", f"{here}/users"))["data"]
    await ask("GET", f"{here}/users/{mario['id']}")
    for device in (await ask("GET", f"{here}/devices"))["data"]:
        await ask("GET", f"{here}/devices/{device['id']}")

    full = {
        "name": "All",
        "extension": "1001",
        "auth_required": False,
        "dial_first": "contact",
        "whitelist": ["."],
        "caller_id_number": "1",
        "outbound_callee_id_name": "n",
        "outbound_callee_id_number": "2",
        "throttle": 60,
        "timeout": 20,
        "ringback": "r",
        "media": {"ignore_early_media": False},
        "music_on_hold": {"media_id": "m"},
        "bypass_media": "auto",
        "presence_id": "p",
        "custom_application_vars": {"a": "b"},
        "custom_sip_headers": {"X-A": "b"},
        "realm": "other.example.com",
    }
    await ask("PUT", f"{here}/clicktocall", {"data": full}, 201)
    created = await ask("PUT", f"{here}/clicktocall", {"data": {"name": "Sales", "extension": "1001"}}, 201)
    click = f"{here}/clicktocall/{created['data']['id']}"
    revision = (await ask("GET", click))["revision"]
    await ask("GET", click, None, 304, If_None_Match=f'"{revision}"')
    await ask("POST", click, {"data": {"name": "Sales", "extension": "1001"}}, 412, If_Match='"0-0"')
    await ask("POST", click, {"data": {"name": "Sales", "extension": "1001"}}, If_Match=f'"{revision}"')
    await ask("PATCH", click, {"data": full})

    to_them = {"data": {"contact": "2001", "metadata": {"order": [1]}, "custom_application_vars": {"a": 1}}}
    lost = await ask("POST", f"{click}/connect", to_them, Idempotency_Key="one")
    engine.ring(lost["data"]["call_id"])
    await ask("GET", f"{click}/calls")
    await ask("GET", f"{click}/calls/{lost['data']['call_id']}")
    engine.end(lost["data"]["call_id"], "USER_BUSY", "a", 486, "Busy Here")
    good = await ask("GET", f"{click}/connect?contact=2001")
    engine.bridge(good["data"]["call_id"])
    await ask("DELETE", f"{click}/calls/{good['data']['call_id']}")
    await ask("GET", f"{click}/calls/{good['data']['call_id']}")
    live = await ask("GET", f"{click}/connect?contact=2001")
    await ask("GET", f"{click}/connect?contact=2001&dry_run=true")
    await ask("GET", f"{click}/connect?contact=%2B14155550100&dry_run=true")
    await ask("POST", f"{click}/connect", {"data": {"contact": "%", "dry_run": True}})
    engine.then = lambda engine, call_id: engine.answer(call_id)
    await ask("POST", f"{click}/connect", {"data": {"contact": "2001", "blocking": True}})
    engine.then = lambda engine, call_id: engine.end(call_id, "CALL_REJECTED", "a", 603, "Decline")
    await ask("POST", f"{click}/connect", {"data": {"contact": "2001", "blocking": True}})
    history = (await ask("GET", f"{click}/history"))["data"]
    assert len(history) == 5
    assert live["data"]["call_id"] in {item["call_id"] for item in history}
    await ask("GET", f"{click}/history?accept=csv")

    for endpoint in (f"users/{mario['id']}", f"devices/{mario['id']}"):
        engine.then = lambda engine, call_id: engine.end(call_id, "CALL_REJECTED", "a", 603, "Decline")
        await ask("GET", f"{here}/{endpoint}/quickcall/2001")
        await ask("GET", f"{here}/{endpoint}/quickcall/2001?dry_run=true")
        await ask("POST", f"{here}/{endpoint}/quickcall/2001", None, 500)
        engine.then = lambda engine, call_id: engine.answer(call_id)
        await ask("POST", f"{here}/{endpoint}/quickcall/2001", {"data": {"cid-name": "x", "timeout": 5}})

    # And those that say no.
    await ask("POST", f"{click}/connect", {"data": {"contact": "no number"}}, 400)
    await ask("POST", f"{click}/connect", to_them | {"data": {"contact": "1001"}}, 409, Idempotency_Key="one")
    await ask("PUT", f"{here}/clicktocall", {"data": {"name": "", "extension": 7, "media": 1}}, 400)
    await ask("PUT", f"{here}/clicktocall", {"data": {}}, 415, Content_Type="image/png")
    await ask("GET", f"{here}/clicktocall?page_size=0", None, 404 if version == "v2" else 200)
    await ask("GET", f"{here}/clicktocall?created_from=x", None, 400)
    await ask("GET", f"{click}/history?created_from=9&created_to=8", None, 400)
    await ask("GET", click, None, 406, Accept="image/png")
    await ask("GET", f"accounts/{'0' * 32}/clicktocall", None, 404)
    await heard.ask("GET", f"{root}/{click}", None, 401)
    stranger = await heard.ask("GET", f"{root}/{click}", None, 401, X_Auth_Token="x")
    assert stranger["status"] == "error"
    deleted = await ask("DELETE", click)
    assert deleted["data"]["_read_only"] == {"deleted": True}
    await ask("GET", click, None, 404)
    await ask("DELETE", "token_auth")
    assert heard.judge.successes(tag) <= heard.judge.seen


async def test_tvox_answers_as_described(heard: Heard, engine: ScriptedEngine) -> None:
    path = "/tvox/webapi"

    async def ask(method: str, params: Any, **headers: str) -> Any:
        body = {"jsonrpc": "2.0", "method": method, "params": params, "id": 1}
        judge = heard.judge
        schemas = judge.document["components"]["schemas"]
        judge.validate(schemas[f"{method}Call"], body, method)
        return await heard.ask("POST", path, body, **headers)

    await ask("getVersion", [])
    assert "error" in await ask("dialNumber", ["mrossi", "2001", "", ""])
    session = (await ask("login", ["10.26.0", "mrossi", "change me"]))["result"]["sessionId"]
    who = {"Cookie": f"JSESSIONID={session}"}
    engine.then = lambda engine, call_id: engine.ring(call_id)
    call_id = (await ask("dialNumber", ["mrossi", "2001", "", "label", False, None, True, "code"], **who))["result"]
    assert isinstance(call_id, str)
    assert (await ask("dialNumber", ["2001", "", "", False], **who))["result"] is True
    named = {"username": "mrossi", "number": "2001", "metadata": {"a": 1}, "dryRun": True}
    assert (await ask("dialNumber", named, **who))["result"]["accepted"]
    await ask("dialNumberByEmail", ["mrossi@acme.example.com", "2001", "", ""], **who)
    assert len((await ask("getServiceCurrentCalls", ["mrossi"], **who))["result"]) == 3
    await ask("recOn", ["mrossi", call_id, "x.wav"], **who)
    await ask("recOff", ["mrossi", call_id], **who)
    assert (await ask("hangupCall", [call_id], **who))["result"] is True
    await ask("hangupCall", {"callId": call_id}, **who)
    one = {"jsonrpc": "2.0", "method": "getVersion"}
    await heard.ask("POST", path, [one | {"id": None}, one | {"id": 1.5}, 7], **who)
    await heard.ask("POST", path, one, 204)
    await heard.ask("POST", path, {"jsonrpc": "2.0", "method": "nothing", "id": 1})
    await ask("logout", [], **who)
    assert heard.judge.successes("TVox") <= heard.judge.seen


async def test_omicall_answers_as_described(heard: Heard, engine: ScriptedEngine) -> None:
    found = await heard.ask("GET", f"/api/auth?apiKey={API_KEY}")
    who = {"Authorization": f"Bearer {found['payload']['access_token']}"}

    async def ask(verb: str, path: str, body: Any = None, status: int = 200, **headers: str) -> Any:
        return await heard.ask(verb, f"/api/{path}", body, status, **who, **headers)

    engine.then = lambda engine, call_id: engine.ring(call_id)
    order = {"extension": "1001", "hotline": "842899959300", "phone_number": "2001", "metadata": {"a": 1}}
    placed = [(await ask("POST", "click2call", order))["payload"]["call_uuid"] for _ in range(2)]
    assert (await ask("POST", "click2call", order | {"dry_run": True}))["payload"]["accepted"]
    assert len((await ask("GET", "calls"))["payload"]) == 2
    await ask("GET", f"calls/{placed[0]}")
    await ask("GET", f"call_transaction/detail/{placed[0]}")
    engine.bridge(engine.orders[0].call_id)
    await ask("GET", f"calls/{placed[0]}")
    await ask("DELETE", f"calls/{placed[0]}")
    engine.end(engine.orders[1].call_id, "USER_BUSY", "a", 486, "Busy Here")
    for call_uuid in placed:
        await ask("GET", f"calls/{call_uuid}")
        await ask("GET", f"call_transaction/detail/{call_uuid}")
    await ask("GET", "call_center/hotline/list?extension=1001")
    assert (await ask("GET", "call_center/internal_phone/list?keyword=mario"))["payload"]["total_items"] == 1
    now = int(engine.now() * 1000)
    listed = await ask("GET", f"call_transaction/list?from_date={now - 1000000}&to_date={now + 1000000}")
    assert listed["payload"]["total_items"] == 2
    hook = {"webhook": {"type": "call", "url": "https://crm.example.com/calls", "events": ["ringing"]}}
    await ask("POST", "webhooks/register", hook)
    await ask("GET", "webhooks/list")
    await ask("POST", "webhooks/destroy?hook_type=call")

    await ask("POST", "webhooks/destroy")
    await ask("POST", "webhooks/destroy?hook_type=call")
    await ask("POST", "webhooks/register", {"webhook": {"url": 1}})
    await ask("GET", "auth")
    await ask("GET", f"auth?apiKey={'0' * 64}")
    await ask("POST", "click2call", {})
    await ask("POST", "click2call", order | {"hotline": "1"})
    await ask("POST", "click2call", order, Idempotency_Key="one")
    await ask("POST", "click2call", order | {"phone_number": "1001"}, 409, Idempotency_Key="one")
    await ask("POST", "click2call", order, 415, Content_Type="image/png")
    await ask("GET", "call_transaction/list")
    await ask("GET", "calls/x")
    await heard.ask("GET", "/api/calls", None, 401)
    assert heard.judge.successes("OMICall") <= heard.judge.seen


def test_a_webhook_gets_what_is_described() -> None:
    judge = Judge()
    (media,) = judge.document["webhooks"]["callEvent"]["post"]["requestBody"]["content"].values()
    for kind in KINDS:
        leg = LegRecord(leg="a", call_id="x", target="1001")
        record = CallRecord(call_id="c", accepted_at=1.0, ended_at=2.0, legs=[leg])
        event = CallEvent(
            kind=kind,
            at=1.5,
            account_id="0" * 32,
            history_id="0" * 32,
            call_id="c",
            contact="2001",
            extension="1001",
            accepted_at=1.0,
            details={"metadata": {"a": 1}},
            record=record if kind == "recorded" else None,
        )
        judge.validate(media["schema"], msgspec.json.decode(rendered(event)), kind)


async def test_our_own_doors_answer_as_described(heard: Heard, exchange: Exchange) -> None:
    for key in SERVICE.operations:
        verb, _, path = key.partition(" ")
        if verb == "GET":
            await heard.ask(verb, path)
    assert heard.judge.successes("Service") <= heard.judge.seen
    await heard.ask("POST", "/drain", None, 401)
    await heard.ask("POST", "/drain", None, 202, Authorization=f"Bearer {ADMIN}")
    assert (await heard.ask("GET", "/healthz"))["status"] == "draining"
    await heard.ask("GET", "/readyz", None, 503)


async def test_the_examples_work(heard: Heard, engine: ScriptedEngine, exchange: Exchange) -> None:
    """Every body that stands there as an example is taken, with the ids of what is there."""
    engine.then = lambda engine, call_id: engine.answer(call_id)
    account, documents = exchange.accounts.by_id[ACCOUNT_ID], exchange.documents
    user = account.users[0].id
    click = await documents.save(documents.created(ACCOUNT_ID, {"name": "Sales", "extension": "1001"}))
    known = {"account_id": ACCOUNT_ID, "click_id": click.id, "number": "2001", "user_id": user, "device_id": user}
    tried = []
    for path, verbs in heard.judge.document["paths"].items():
        for verb, operation in verbs.items():
            for media in list(operation.get("requestBody", {}).get("content", {}).values())[:1]:
                for title, body in examples(media):
                    sent = {**body, "params": [engine.orders[-1].call_id]} if title == "hangupCall" else body
                    token = exchange.accounts.issue(account, user).token
                    who = {"X_Auth_Token": token, "Authorization": f"Bearer {token}"}
                    status = int(min(operation["responses"]))
                    answer = await heard.ask(verb.upper(), path.format(**known), sent, status, **who)
                    assert answer.get("status_code") != -9999, answer
                    assert "error" not in answer or title in ("recOn", "recOff"), answer
                    tried.append(operation["operationId"])
    assert len(tried) == len(set(tried)) + len(METHODS) - 1 >= 25
