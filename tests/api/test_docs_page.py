"""The page at /docs: whole, without anything from elsewhere, usable by keyboard and screen reader, alive in a browser."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import html
import re
from html.parser import HTMLParser
from pathlib import Path

import msgspec

from api.openapi.description import description
from tests.api.conftest import Api

PAGE = description().page.body.decode()
DOCUMENT = msgspec.json.decode(description().json.body)
BROWSER = ("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
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


async def test_it_lives_in_a_browser(api: Api, tmp_path: Path) -> None:
    """The script runs under the policy: it puts the server's own address into the commands, and opens what is linked."""
    browser = await asyncio.create_subprocess_exec(
        *BROWSER,
        f"--user-data-dir={tmp_path / 'profile'}",
        "--dump-dom",
        f"{api.base}/docs#connect",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, _ = await browser.communicate()
    dom = out.decode()
    assert re.search(r'<details class="operation" id="connect" open=', dom)
    assert f"{api.base}/v2/api_auth" in dom
    assert "http://127.0.0.1:8000/" not in re.sub(r"<script>.*?</script>", "", dom, flags=re.S)
