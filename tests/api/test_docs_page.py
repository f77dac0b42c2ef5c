"""The page at /docs: whole, without anything from elsewhere, usable by keyboard and screen reader, alive in a browser."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec

from api.openapi.description import description
from tests.api.browser import Browser
from tests.api.conftest import KEY, Api

PAGE = description().page.body.decode()
DOCUMENT = msgspec.json.decode(description().json.body)
VOID = {"input", "meta", "link", "br"}


class Elements(HTMLParser):
    """Every element with its attributes, and whether what was opened was closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def of(self, *tags: str) -> list[dict[str, str]]:
        return [attributes for tag, attributes in self.found if tag in tags]


ELEMENTS = Elements(PAGE)
IDS = [attributes["id"] for _, attributes in ELEMENTS.found if "id" in attributes]


def test_every_operation_is_there_with_a_form_and_a_command() -> None:
    assert ELEMENTS.open == []
    forms = {(form["data-verb"], form["data-path"]) for form in ELEMENTS.of("form")}
    assert forms == {(verb.upper(), path) for path, verbs in DOCUMENT["paths"].items() for verb in verbs}
    for verbs in DOCUMENT["paths"].values():
        for operation in verbs.values():
            assert operation["operationId"] in IDS
    assert PAGE.count("Try it</h3>") == len(forms) <= PAGE.count('<pre class="curl"')
    for kind, prefix in (("schemas", "schema"), ("responses", "answer")):
        assert {f"{prefix}-{name}" for name in DOCUMENT["components"][kind]} <= set(IDS)
    assert {hook["post"]["operationId"] for hook in DOCUMENT["webhooks"].values()} <= set(IDS)


def test_no_id_stands_there_twice_and_every_link_leads_somewhere() -> None:
    assert len(IDS) == len(set(IDS))
    for link in ELEMENTS.of("a"):
        assert link["href"] == "/openapi.json" or link["href"].removeprefix("#") in IDS


def test_every_control_has_a_label() -> None:
    labels = {label["for"] for label in ELEMENTS.of("label")}
    for control in ELEMENTS.of("input", "select", "textarea"):
        assert control["id"] in labels
    assert ELEMENTS.of("html") == [{"lang": "en"}]
    assert all("tabindex" in block for block in ELEMENTS.of("pre"))


def test_nothing_comes_from_elsewhere() -> None:
    for _, attributes in ELEMENTS.found:
        assert "style" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        assert attributes.get("src", "") == ""
    assert {link["href"] for link in ELEMENTS.of("link")} == {"data:,"}
    assert not re.search(r"@import|url\(|https?://(?!127\.0\.0\.1)", "".join(texts("style") + texts("script")))


def texts(tag: str) -> list[str]:
    return re.findall(rf"<{tag}>(.*?)</{tag}>", PAGE, re.S)


async def test_the_policy_lets_the_page_do_what_it_does_and_nothing_else(api: Api) -> None:
    response = await api.session.get(f"{api.base}/docs")
    policy = dict(part.strip().split(" ", 1) for part in response.headers["Content-Security-Policy"].split(";"))
    assert response.content_type == "text/html"
    assert (policy["default-src"], policy["connect-src"], policy["frame-ancestors"]) == ("'none'", "'self'", "'none'")
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        (text,) = texts(tag)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert policy[directive] == f"'sha256-{digest}'"


def test_what_is_described_cannot_become_markup() -> None:
    assert html.unescape("&lt;") == "<"
    pattern = DOCUMENT["components"]["schemas"]["DialNumber"]["properties"]["accessCode"]["pattern"]
    assert html.escape(pattern) in PAGE
    assert "mrossi@acme.example.com" in PAGE
    assert set(re.findall(r"<(script|iframe|object|embed)\b", PAGE)) == {"script"}


TRY = """new Promise(resolve => {
  const form = document.querySelector(`#${CSS.escape("OPERATION")} form`);
  const fields = FIELDS;
  for (const [name, value] of Object.entries(fields)) form.querySelector(`[name="${name}"], [data-in="${name}"]`).value = value;
  const shown = form.querySelector("output");
  new MutationObserver(() => { if (shown.textContent !== "…") resolve(shown.textContent); })
    .observe(shown, {childList: true, characterData: true, subtree: true});
  form.querySelector("button").click();
})"""


async def tried(browser: Browser, operation: str, **fields: Any) -> Any:
    """Fill in, press the button: the JSON that is shown."""
    given = {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
    shown = await browser.run(TRY.replace("OPERATION", operation).replace("FIELDS", json.dumps(given)))
    return json.loads(shown[shown.index("{") :])


async def test_it_is_used_in_a_browser(api: Api, tmp_path: Path) -> None:
    """By hand: log in, create, connect, hang up. What one form learns the next ones know."""
    async with Browser(tmp_path) as browser:
        await browser.open(f"{api.base}/docs#connect")
        assert await browser.run("[...document.querySelectorAll('details[open]')].map(found => found.id)") == [
            "connect"
        ]
        first = await browser.run("document.querySelector('pre.curl').textContent")
        assert first.startswith(f"curl -X PUT {api.base}/v2/api_auth ")
        token = (await tried(browser, "logInWithKey", body={"data": {"api_key": KEY}}))["auth_token"]
        assert await browser.run("document.getElementById('token').value") == token
        made = await tried(browser, "createClickToCall", body={"data": {"name": "Page", "extension": "1001"}})
        click = made["data"]["id"]
        found = await tried(browser, "listClickToCalls", filters="filter_name=Page&x=1", page_size="1")
        assert [item["id"] for item in found["data"]] == [click]
        call = await tried(browser, "connect", click_id=click, body={"data": {"contact": "2600"}})
        ended = await tried(browser, "hangUp", click_id=click)
        assert ended["data"]["call_id"] == call["data"]["call_id"]
        assert (await tried(browser, "hangUp", click_id=click))["message"] == "bad_identifier"
        assert (await tried(browser, "webapi", body={"jsonrpc": "2.0", "method": "getVersion", "id": 3}))["id"] == 3
        await browser.run(
            "{const select = document.querySelector('select.example'); select.value = [...select.options].at(-1).value;"
            "select.dispatchEvent(new Event('change'))}"
        )
        assert '"recOff"' in await browser.run(
            "document.querySelector('select.example').form.elements['webapi-body'].value"
        )
        # Nothing was refused by the page's policy; the 404 is what was asked for.
        assert [text for text in browser.complaints if "404" not in text] == []
