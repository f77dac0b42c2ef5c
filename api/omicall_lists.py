"""OMICall's lists: hotlines, extensions, calls of the past."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from api.omicall_envelope import RefusedError, succeeded
from api.omicall_hooks import numbers, transaction
from api.omicall_request import OmicallRequest
from api.omicall_shapes import InternalPhone, NumberedPage
from c2c_b2bua.service.phones import Phone
from c2c_b2bua.service.transactions import Transaction

PAGE, LARGEST_PAGE, LAST_PAGE = 50, 1000, 1_000_000
LONGEST = 30 * 86_400_000
"""Milliseconds between the first and the last day of a list."""
LATEST = 253_402_300_799_999
"""The last millisecond of the year 9999."""
RESULTS = {"answered": "success", "cancelled": "error"}
DIRECTIONS = {"outbound", "inbound", "local"}


async def list_hotlines(request: OmicallRequest) -> bytes:
    """GET /api/call_center/hotline/list: what an extension may show to those it calls"""
    extension = request.asked("extension").strip()
    if extension and extension not in request.account.phones:
        raise RefusedError("extension_invalid")
    return succeeded(request.exchange.calls.routes.hotlines())


async def list_phones(request: OmicallRequest) -> bytes:
    """GET /api/call_center/internal_phone/list"""
    page, size = paging(request)
    keyword = request.asked("keyword").strip().lower()
    phones = [phone for phone in request.account.each_phone() if keyword in searched(phone)]
    first = (page - 1) * size
    items = [internal_phone(request, phone) for phone in phones[first : first + size]]
    return succeeded(NumberedPage.of(items, page, size, len(phones)))


def searched(phone: Phone) -> str:
    """What a keyword is looked for in."""
    user = phone.user
    return " ".join([phone.number, phone.name, user.email if user else ""]).lower()


def internal_phone(request: OmicallRequest, phone: Phone) -> InternalPhone:
    user, sip = phone.user, request.exchange.settings.sip
    hotlines = request.exchange.calls.routes.hotlines()
    listen = sip.addresses()[0]
    return InternalPhone(
        domain=request.account.realm,
        outbound_proxy=f"sip:{sip.advertise or str(listen).partition(':')[2]};transport={listen.transport}",
        sip_user=phone.number,
        full_name=phone.name,
        agent_id=phone.id,
        email=user.email if user else "",
        public_number=hotlines[0] if hotlines else "",
    )


async def list_transactions(request: OmicallRequest) -> bytes:
    """GET /api/call_transaction/list: calls that have ended, newest first"""
    start, end = dates(request)
    page, size = paging(request)
    disposition = request.asked("disposition")
    if disposition not in ("", *RESULTS):
        raise RefusedError(f"disposition_invalid: expected {' or '.join(RESULTS)}")
    directions = several(request, "direction")
    if not directions <= DIRECTIONS:
        raise RefusedError(f"direction_invalid: expected {', '.join(sorted(DIRECTIONS))}")
    if directions and "outbound" not in directions:
        return succeeded(NumberedPage.of([], page, size, 0))  # We make no other calls.
    found, total = await request.exchange.transactions.page(
        request.account.id,
        start / 1000,
        end / 1000,
        (page - 1) * size,
        size,
        RESULTS.get(disposition),
        condition(request),
    )
    items = [transaction(call, request.account.phones.get(call.extension)) for call in found]
    return succeeded(NumberedPage.of(items, page, size, total))


def condition(request: OmicallRequest) -> Callable[[Transaction], bool] | None:
    """The filters that look into a call; None: there are none."""
    users = several(request, "sip_user")
    agents = {agent.lower() for agent in several(request, "agents")}
    hotlines, sources = several(request, "sip_numbers"), several(request, "source_number")
    destinations = several(request, "destination_number")
    keyword = request.asked("keyword").strip()
    if not (users or agents or hotlines or sources or destinations or keyword):
        return None
    if agents:
        of_agents = {
            phone.number
            for phone in request.account.each_phone()
            if phone.user and not agents.isdisjoint({phone.user.email.lower(), phone.user.username.lower()} - {""})
        }
        users = users & of_agents if users else of_agents

    def admits(call: Transaction) -> bool:
        to_number, from_number, hotline = numbers(call.contact, call.extension, call.details)
        return (
            (not (users or agents) or from_number in users)
            and (not hotlines or hotline in hotlines)
            and (not sources or hotline in sources)
            and (not destinations or to_number in destinations or call.contact in destinations)
            and any(keyword in number for number in (to_number, from_number, hotline, call.contact))
        )

    return admits


def dates(request: OmicallRequest) -> tuple[int, int]:
    """From and to in milliseconds since 1970, 30 days apart at most; RefusedError."""
    for name in ("from_date", "to_date"):
        if not request.asked(name):
            raise RefusedError(f"{name}_is_required")
    start, end = (whole(request.asked(name), LATEST) for name in ("from_date", "to_date"))
    if start is None or end is None or end < start:
        raise RefusedError("date_invalid")
    if end - start > LONGEST:
        raise RefusedError("date_is_too_long")
    return start, end


def paging(request: OmicallRequest) -> tuple[int, int]:
    """Page, from 1 on, and size; RefusedError. A size beyond reason is cut."""
    page = whole(request.asked("page") or "1", LAST_PAGE)
    if not page:
        raise RefusedError(f"page_invalid: expected a number from 1 to {LAST_PAGE}")
    size = whole(request.asked("size") or str(PAGE), LATEST)
    if not size:
        raise RefusedError(f"size_invalid: expected a number from 1 to {LARGEST_PAGE}")
    return page, min(size, LARGEST_PAGE)


def whole(text: str, most: int) -> int | None:
    """A number from 0 to `most`, None when it is none."""
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        return None
    return int(text) if int(text) <= most else None


def several(request: OmicallRequest, name: str) -> set[str]:
    """The values of a parameter: repeated, as a JSON list, or with commas between them."""
    found: set[str] = set()
    for text in [*request.query.get(name, ()), *request.query.get(f"{name}[]", ())]:
        if text.startswith("["):
            try:
                found.update(str(item) for item in msgspec.json.decode(text, type=list[str | int]))
            except (msgspec.MsgspecError, RecursionError):
                raise RefusedError(f"{name}_invalid: expected a list of strings") from None
        else:
            found.update(part.strip() for part in text.split(","))
    return found - {""}
