"""From a request to an order: who is rung first, who sees which caller, and by which way each is reached."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from c2c_b2bua.call.order import CallOrder, Party
from c2c_b2bua.config import Config
from c2c_b2bua.numbers import NumberError, dialled, normalized
from c2c_b2bua.service.accounts import Account
from c2c_b2bua.service.auto_answer import auto_answer
from c2c_b2bua.service.documents import ClickToCall
from c2c_b2bua.service.errors import ForbiddenError, InvalidError, UnroutableError
from c2c_b2bua.service.identity import as_user
from c2c_b2bua.service.live_call import LiveCall
from c2c_b2bua.service.routes import NoRouteError, Route, Routes
from c2c_b2bua.service.sip_headers import AUTO_ANSWER
from c2c_b2bua.service.trunks import Trunk, Way
from c2c_b2bua.sip.flow import Flow

encoder = msgspec.json.Encoder(order="deterministic")
Until = Literal["accepted", "ringing", "answered"]
MOST_METADATA = 8192
"""Bytes of JSON."""
MISSING_CONTACT = "The contact extension for this click to call has not been set"


Place = tuple[str, tuple[str, ...], Flow | None, str, str]
"""Of a phone: its URI, Path, flow, User-Agent and address of record."""
BY_NONE: tuple[Way | None, ...] = (None, None)
"""Neither leg goes by a trunk."""


class Side(msgspec.Struct, frozen=True):
    """The contact or the extension: where it is reached, and the number and name the other side sees."""

    route: str
    number: str
    name: str


class Wording(msgspec.Struct, frozen=True):
    """The answers of a connect as JSON, in the dialect of the request."""

    accepted: Callable[[Plan, LiveCall], bytes]
    outcome: Callable[[LiveCall, str], bytes]
    """Given the cause why the first leg failed, or "" ."""


SILENT = Wording(accepted=lambda *_: b"", outcome=lambda *_: b"")
"""Nobody waits for an answer."""


class Plan(msgspec.Struct, kw_only=True):
    """A connect that makes sense; routes and trunks are found later."""

    request: Connect
    contact: Side
    extension: Side
    timeout: float
    """Seconds the first leg may ring."""
    routes: tuple[Route, ...] = ()
    """Of the first leg, of the second."""
    ways: tuple[Way | None, ...] = ()
    """Of both legs; None: not by a trunk."""

    @property
    def needs_trunk(self) -> bool:
        return "trunk" in [route.kind for route in self.routes]

    @property
    def first(self) -> Side:
        return self.contact if self.request.document.contact_first else self.extension

    @property
    def second(self) -> Side:
        return self.extension if self.request.document.contact_first else self.contact


class Connect(msgspec.Struct, kw_only=True, frozen=True):
    """What was asked for; `contact` and `variables` as they came."""

    account: Account
    document: ClickToCall
    contact: Any
    until: Until = "accepted"
    """What is waited for before the answer; the first leg, in the last two."""
    auto_answer: bool = True
    variables: dict[str, Any] = {}
    details: dict[str, Any] = {}
    """What the request says about the call, kept and shown with it: `metadata`, and what a dialect has of its own."""
    prefix: str = ""
    """Dialled before the contact's number where that goes to a trunk."""
    trusted: bool = True
    """False: whoever asks showed no token."""
    idempotency_key: str | None = None
    wording: Wording = SILENT

    def fingerprint(self) -> str:
        """The same for the same request."""
        parts = [
            self.document.id,
            self.contact,
            self.until,
            self.auto_answer,
            self.variables,
            self.details,
            self.prefix,
        ]
        return hashlib.sha256(encoder.encode(parts)).hexdigest()


class Planner:
    """Knows the configuration."""

    def __init__(self, settings: Config, routes: Routes) -> None:
        self.settings = settings
        self.routes = routes
        self.country = settings.numbers.country
        self.codecs = tuple(settings.calls.codecs)

    def plan(self, request: Connect) -> Plan:
        """Whom the request joins, or InvalidError, ForbiddenError."""
        document, body = request.document, request.document.body
        if document.contact_first and not request.trusted and not self.settings.calls.open_dial_first_contact:
            raise ForbiddenError("a connect without a token may not ring the contact first")
        contact = self.contact(request.contact)
        extension = body["extension"]
        calls = self.settings.calls
        return Plan(
            request=request,
            contact=Side(contact, body.get("caller_id_number") or contact, body["name"]),
            extension=Side(
                document.extension,
                normalized(body.get("outbound_callee_id_number") or document.extension, self.country),
                body.get("outbound_callee_id_name") or extension,
            ),
            timeout=min(document.timeout or calls.ring_timeout, calls.max_duration),
        )

    def contact(self, value: Any) -> str:
        """The contact as it is dialled, or InvalidError."""
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if value is None or value == "":
            raise InvalidError.of("contact", "required", MISSING_CONTACT)
        if not isinstance(value, str):
            message = "Value did not match type(s): string"
            raise InvalidError.of("contact", "type", message, target="string", value=value)
        try:
            return dialled(value, self.country)
        except NumberError as error:
            raise InvalidError.of("contact", "pattern", f"Value is no contact: {error}", value=value) from None

    def find_routes(self, plan: Plan) -> None:
        """Where both legs go; UnroutableError naming the one that goes nowhere."""
        request = plan.request
        extension = self.route(request.account, "extension", plan.extension.route, False)
        contact = self.route(request.account, "contact", plan.contact.route, not request.trusted)
        if request.prefix and contact.kind == "trunk":
            digits = self.prefixed(plan)
            if hazard := self.routes.destinations.hazard(digits):
                raise UnroutableError("contact", "no_route", hazard, "OUTGOING_CALL_BARRED", digits)
        plan.routes = (contact, extension) if request.document.contact_first else (extension, contact)

    def route(self, account: Account, field: str, number: str, from_outside: bool) -> Route:
        """Where the number in `field` goes, or UnroutableError."""
        try:
            return self.routes.find(account, number, from_outside)
        except NoRouteError as error:
            raise UnroutableError(field, error.code, str(error), error.cause, number) from None

    def take_trunks(self, plan: Plan, now: float) -> None:
        """A place on a trunk for each leg that needs one; TooManyError, and then none is held."""
        plan.ways = self.routes.trunks.take(callers_by_trunk(plan), now) if plan.needs_trunk else BY_NONE

    def choose_trunks(self, plan: Plan) -> None:
        """As `take_trunks` when every trunk has a place; none is taken."""
        plan.ways = self.routes.trunks.best(callers_by_trunk(plan))

    def order(self, plan: Plan, call_id: str) -> CallOrder:
        """What the engine is told."""
        calls, document = self.settings.calls, plan.request.document
        answers = plan.request.auto_answer and not document.contact_first
        if answers and document.headers:
            answers = not any(name.lower() in AUTO_ANSWER for name, _ in document.headers)
        (a, *a_beside), *a_instead = self.parties(plan, 0, plan.first, plan.second, plan.timeout, answers)
        (b, *b_beside), *b_instead = self.parties(plan, 1, plan.second, plan.first, calls.ring_timeout, False)
        return CallOrder(
            call_id=call_id,
            a=a,
            b=b,
            a_beside=tuple(a_beside),
            b_beside=tuple(b_beside),
            a_instead=tuple(a_instead),
            b_instead=tuple(b_instead),
            codecs=self.codecs,
            bridge=calls.bridge,
            max_duration=calls.max_duration,
        )

    def transferred(
        self, request: Connect, number: str, contact: str, now: float
    ) -> tuple[tuple[Party, ...], Trunk | None]:
        """Who is rung when a call is handed over to `number`, and the trunk that has counted it; NoRouteError, TooManyError.

        An extension sees the contact's number, everybody else what the contact saw.
        """
        body, document = request.document.body, request.document
        company = Side(document.extension, body.get("outbound_callee_id_number") or document.extension, body["name"])
        route = self.routes.find(request.account, number, True)
        caller = company if route.kind == "trunk" else Side(contact, contact, "")
        ways = self.routes.trunks.take([caller.number if route.kind == "trunk" else None], now)
        target = Side(number, number, "")
        plan = Plan(request=request, contact=target, extension=company, timeout=self.settings.calls.ring_timeout)
        plan.routes, plan.ways = (route, route), ways * 2
        parties = self.parties(plan, 1, target, caller, plan.timeout, False)[0]
        return parties, ways[0].trunk if ways[0] else None

    def number_for(self, plan: Plan, side: Side, route: Route, trunk: Trunk) -> str:
        """What a trunk is asked to dial."""
        is_prefixed = plan.request.prefix and side is plan.contact
        return self.prefixed(plan) if is_prefixed else trunk.dialled(route.number)

    def prefixed(self, plan: Plan) -> str:
        """The contact after the prefix: as it was given, whatever the rules of the trunk."""
        number = re.sub(r"[^0-9*#]", "", re.sub(r"^\s*\+", "00", str(plan.request.contact)))
        return plan.request.prefix + number

    def parties(
        self, plan: Plan, leg: int, side: Side, caller: Side, timeout: float, answers: bool
    ) -> list[tuple[Party, ...]]:
        """Who rings `side` and shows `caller`: those rung at once, and those to be tried should they fail.

        `answers`: a phone is asked to answer by itself.
        """
        route, way = plan.routes[leg], plan.ways[leg]
        if way is None:
            return [self.phones(plan, leg, side, caller, timeout, answers)]
        parties: list[tuple[Party, ...]] = []
        for trunk in (way.trunk, *way.others):
            number = self.number_for(plan, side, route, trunk)
            party = self.by_trunk(trunk, number, side, caller, timeout, plan.request.document.headers)
            early_media = trunk.settings.early_media
            offer = self.leaves_offer(leg, trunk.settings.offer)
            parties.append((msgspec.structs.replace(party, delayed_offer=offer, early_media=early_media),))
        return parties

    def leaves_offer(self, leg: int, wish: str) -> bool:
        """Whether the INVITE of a leg leaves the offer to the other end: as that wishes, the first leg as configured."""
        return (wish or ("held" if leg else self.settings.calls.offer)) == "none"

    def phones(
        self, plan: Plan, leg: int, side: Side, caller: Side, timeout: float, answers: bool
    ) -> tuple[Party, ...]:
        """A leg that needs no trunk: every phone that has registered, or the one that is always there."""
        realm, route, headers = plan.request.account.realm, plan.routes[leg], plan.request.document.headers
        manner = route.manner
        from_uri = f"sip:{as_user(caller.number)}@{realm}"
        delayed_offer = self.leaves_offer(leg, manner.offer)
        places: list[Place] = [(one.uri, one.path, one.flow, one.user_agent, one.aor) for one in route.contacts]
        return tuple(
            [
                Party(
                    target=side.route,
                    uri=uri,
                    routes=path,
                    flow=flow,
                    from_uri=from_uri,
                    from_name=caller.name,
                    ring_timeout=timeout,
                    delayed_offer=delayed_offer,
                    early_media=manner.early_media,
                    session_expires=self.settings.calls.session_expires,
                    headers=(*headers, *auto_answer(manner.auto_answer, agent, realm)) if answers else headers,
                    aor=aor,
                )
                for uri, path, flow, agent, aor in places or [(route.uri, (), None, "", "")]
            ]
        )

    def by_trunk(
        self, trunk: Trunk, number: str, side: Side, caller: Side, timeout: float, headers: tuple[tuple[str, str], ...]
    ) -> Party:
        """A leg by this trunk; a header that its profile sets goes before one that was asked for."""
        identity = trunk.present(caller.number, caller.name)
        if identity.headers:
            ours = {name.lower() for name, _ in identity.headers}
            headers = (*(header for header in headers if header[0].lower() not in ours), *identity.headers)
        return Party(
            target=side.route,
            uri=f"{trunk.scheme}:{as_user(number)}@{trunk.host_port}",
            next_hop=trunk.settings.proxy,
            trunk=trunk.name,
            from_uri=identity.from_uri,
            from_name=identity.from_name,
            username=trunk.settings.username,
            password=str(trunk.settings.password),
            ring_timeout=timeout,
            session_expires=self.settings.calls.session_expires,
            headers=headers,
        )


def callers_by_trunk(plan: Plan) -> list[str | None]:
    """Who calls on the first leg and on the second; None for one that needs no trunk."""
    sides = zip(plan.routes, (plan.second, plan.first), strict=True)
    return [caller.number if route.kind == "trunk" else None for route, caller in sides]


def checked_metadata(value: Any) -> dict[str, Any]:
    """What the caller wants to see again in history and events, or InvalidError."""
    if not isinstance(value, dict):
        message = "Value did not match type(s): object"
        raise InvalidError.of("metadata", "type", message, target="object", value=value)
    if len(encoder.encode(value)) > MOST_METADATA:
        message = f"Metadata must not be more than {MOST_METADATA} bytes of JSON"
        raise InvalidError.of("metadata", "maxLength", message, target=MOST_METADATA)
    return value
