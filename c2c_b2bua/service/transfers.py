"""A phone hands its call over by REFER: whom it may name is decided as for a connect, and by the same limits."""

from __future__ import annotations

from typing import Protocol
from urllib.parse import unquote

import msgspec
import structlog

from c2c_b2bua.call.news import CallNews, LegAnswered, LegJoined, LegStays, TransferAsked
from c2c_b2bua.call.order import Party
from c2c_b2bua.call.record import LegName
from c2c_b2bua.numbers import NumberError, dialled
from c2c_b2bua.service.accounts import Account, Accounts
from c2c_b2bua.service.calls import Calls
from c2c_b2bua.service.documents import Documents
from c2c_b2bua.service.errors import LockedError, NotWhitelistedError, TooManyError, UnavailableError
from c2c_b2bua.service.live_call import LiveCall
from c2c_b2bua.service.originate import Connect
from c2c_b2bua.service.routes import NoRouteError
from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.flow import Interfaces
from c2c_b2bua.sip.uri import Uri

STATUS_OF_CAUSE = {"USER_NOT_REGISTERED": 480, "OUTGOING_CALL_BARRED": 403, "INVALID_NUMBER_FORMAT": 484}
CONCERNED = frozenset({TransferAsked, LegAnswered, LegStays, LegJoined})
"""The news that there is something to do for."""

log = structlog.get_logger()


class TransferEngine(Protocol):
    """What is needed of the engine."""

    @property
    def interfaces(self) -> Interfaces: ...
    def transfer(self, call_id: str, leg: LegName, key: str, parties: tuple[Party, ...]) -> None: ...
    def refuse_transfer(self, call_id: str, leg: LegName, key: str, status: int, reason: str) -> None: ...
    def now(self) -> float: ...


class Transfers:
    """Answers every `TransferAsked`, and has the places on trunks go with the legs."""

    def __init__(self, engine: TransferEngine, calls: Calls, accounts: Accounts, documents: Documents) -> None:
        self.engine = engine
        self.calls = calls
        self.planner = calls.planner
        self.accounts = accounts
        self.documents = documents

    def hear(self, call: LiveCall, news: CallNews) -> None:
        """News of a call."""
        if type(news) not in CONCERNED:
            return
        match news:
            case TransferAsked():
                self.decide(call, news)
            case LegAnswered() if news.leg in call.coming:
                call.is_replaced(news.leg)
            case LegStays():
                call.stays(news.leg)
            case LegJoined():
                call.joins(news.leg, self.calls.live.get(news.second), news.was)
            case _:
                return
        self.calls.waiting.wake()

    def decide(self, call: LiveCall, news: TransferAsked) -> None:
        """Have whoever the phone names called, or refuse that."""
        try:
            parties = self.parties(call, news)
        except (NumberError, SipError) as error:
            refusal = 484, str(error)
        except NoRouteError as error:
            refusal = STATUS_OF_CAUSE.get(error.cause, 404), str(error)
        except (NotWhitelistedError, LockedError) as error:
            refusal = 403, str(error)
        except (TooManyError, UnavailableError) as error:
            refusal = 503, str(error)
        else:
            self.engine.transfer(call.call_id, news.leg, news.key, parties)
            return
        status, reason = refusal
        log.info("transfer refused", call_id=call.call_id, leg=news.leg, target=news.target, reason=reason)
        self.engine.refuse_transfer(call.call_id, news.leg, news.key, status, reason.replace("\n", " "))

    def parties(self, call: LiveCall, news: TransferAsked) -> tuple[Party, ...]:
        """Who is rung; every limit is asked, and a trunk counts the call."""
        now = self.engine.now()
        self.calls.require_open()
        account = self.accounts.by_id.get(call.account_id)
        if account is None:
            raise NoRouteError("the account is gone")
        account.require_enabled(now)
        document = self.documents.find(call.account_id, call.document_id)
        if document is None:
            document = self.documents.unstored(call.account_id, call.document_id, name="", extension=call.extension)
        self.calls.throttle_rate(document, now)
        number = self.number(account, news.target)
        if not document.admits(number):
            raise NotWhitelistedError(number)
        request = Connect(account=account, document=document, contact=number, trusted=False)
        parties, trunk = self.planner.transferred(request, number, call.contact, now)
        call.hands_over(news.leg, trunk)
        if not news.replaces:
            return parties
        replaces = (("Replaces", news.replaces),)
        return tuple(msgspec.structs.replace(party, headers=(*party.headers, *replaces)) for party in parties)

    def number(self, account: Account, target: str) -> str:
        """Whom a Refer-To names, as it is dialled: a number where its host is one of ours; NumberError, SipError."""
        uri = Uri.parse(target)
        if uri.scheme == "tel":
            return dialled(uri.opaque.partition(";")[0], self.planner.country)
        if uri.is_sip and uri.host.strip("[]") in {account.realm, *self.home()}:
            return dialled(unquote(uri.user or ""), self.planner.country)
        return dialled(target, self.planner.country)

    def home(self) -> set[str]:
        """Hosts by which phones know us: those in our Contact, and the carriers'."""
        ours = {interface.host for interface in self.engine.interfaces.interfaces}
        return {host.strip("[]").lower() for host in (*ours, *(trunk.host for trunk in self.planner.routes.trunks))}
