"""Where a number goes: a SIP URI as it stands, an extension of the account, a trunk, or nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

import msgspec

from c2c_b2bua import config
from c2c_b2bua.numbers import Destinations, NumberError, SipUri, dialled, is_uri, normalized
from c2c_b2bua.registration.binding import Binding
from c2c_b2bua.service.accounts import Account
from c2c_b2bua.service.phones import Manner, Phone
from c2c_b2bua.service.trunks import Trunks


class NoRouteError(Exception):
    """This number goes nowhere, or may not: `cause` is the Q.850 word for it, `code` what a client may test."""

    def __init__(self, text: str, cause: str = "NO_ROUTE_DESTINATION", code: str = "no_route") -> None:
        self.cause = cause
        self.code = code
        super().__init__(text)


class Route(msgspec.Struct, frozen=True):
    """Where one leg goes; `uri` is complete unless the leg goes to a trunk, which is chosen when a place is taken."""

    kind: Literal["uri", "extension", "trunk"]
    uri: str = ""
    number: str = ""
    contacts: tuple[Binding, ...] = ()
    """Of an extension that registers, best first; `uri` is that of the first."""
    manner: Manner = Manner()
    """How an extension wants to be called."""


class Routes:
    """Who is reachable: by the configuration, and by `contacts`, which tells where a phone has registered."""

    def __init__(self, settings: config.Config, contacts: Callable[[Account, Phone], Iterable[Binding]]) -> None:
        self.contacts = contacts
        self.trunks = Trunks(settings)
        self.country = settings.numbers.country
        countries = tuple(settings.calls.countries) or (self.country,)
        self.destinations = Destinations(self.country, countries, settings.calls.allow_premium)
        self.allowed_hosts = {host.lower() for host in settings.calls.allowed_hosts}
        self.trunk_hosts = {trunk.host.lower() for trunk in self.trunks}

    def find(self, account: Account, number: str, from_outside: bool) -> Route:
        """Where `number`, as it is dialled, goes for this account, or NoRouteError.

        `from_outside`: a stranger named it; then a SIP URI must be at the account's realm or at an allowed host.
        """
        if number in account.do_not_call:
            raise NoRouteError(f"{number} is on the do-not-call list", "OUTGOING_CALL_BARRED", "do_not_call")
        if is_uri(number):
            return self.find_uri(account, number, from_outside)
        if found := self.extension(account, number):
            return found
        if not self.trunks:
            raise NoRouteError(f"{number} is no extension of this account, and there is no trunk")
        if refusal := self.destinations.refusal(number):
            raise NoRouteError(refusal, "OUTGOING_CALL_BARRED")
        return Route("trunk", number=number)

    def find_uri(self, account: Account, text: str, from_outside: bool) -> Route:
        """A URI at the account's realm is one of its extensions, any other goes as it stands."""
        try:
            uri = SipUri.parse(text, () if from_outside else ("udp", "tcp"))
        except NumberError as error:
            raise NoRouteError(str(error), "INVALID_NUMBER_FORMAT") from None
        at_home = uri.host == account.realm
        if at_home and uri.port is None and (found := self.extension(account, uri.user)):
            return found
        host_port = uri.host if uri.port is None else f"{uri.host}:{uri.port}"
        if from_outside and not at_home and not {uri.host, host_port} & self.allowed_hosts:
            raise NoRouteError(f"SIP URIs at {uri.host} are not allowed here", "OUTGOING_CALL_BARRED")
        number = normalized(uri.user.replace("%2B", "+"), self.country)
        refusal = None
        if number in account.do_not_call:
            raise NoRouteError(f"{number} is on the do-not-call list", "OUTGOING_CALL_BARRED", "do_not_call")
        if uri.host in self.trunk_hosts:
            refusal = self.destinations.refusal(number)
        elif self.destinations.is_emergency(number):
            refusal = "emergency numbers cannot be called from here"
        if refusal:
            raise NoRouteError(refusal, "OUTGOING_CALL_BARRED")
        return Route("uri", text)

    def extension(self, account: Account, number: str) -> Route | None:
        """Where an extension is, None when the account has no such; NoRouteError when it has but it is away."""
        phone = account.phones.get(number)
        if phone is None:
            return None
        if phone.uri:
            return Route("extension", phone.uri, manner=phone.manner)
        contacts = tuple(self.contacts(account, phone))
        if not contacts:
            raise NoRouteError(f"extension {number} is not registered", "USER_NOT_REGISTERED", "not_registered")
        return Route("extension", contacts[0].uri, contacts=contacts, manner=phone.manner)

    def hotlines(self) -> list[str]:
        """The caller ids that trunks present, as the operator wrote them; none: they present any."""
        return [*dict.fromkeys(hotline for trunk in self.trunks for hotline in trunk.settings.hotlines)]

    def hotline(self, text: str) -> str | None:
        """A caller id that was asked for, as it is dialled; None when it is no number, or none of the hotlines."""
        try:
            number = dialled(text, self.country)
        except NumberError:
            return None
        with_hotlines = [trunk for trunk in self.trunks if trunk.hotlines]
        if is_uri(number) or (with_hotlines and not any(number in trunk.hotlines for trunk in with_hotlines)):
            return None
        return number
