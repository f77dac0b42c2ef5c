"""Phones register with us (RFC 3261 §10.3, RFC 3327, RFC 5626 §6): who is where, until when, and by which way.

REGISTER sip:acme.example.com    ->
                                 <- 401 with our challenges, strongest first
REGISTER again, with credentials ->
                                 <- 200, every contact of the user with what is left of its time     Bound
… calls go over the flow that the REGISTER came by, whatever the Contact says …
REGISTER with Expires: 0         ->
                                 <- 200                                                              Unbound

Until `open` nobody is known here. A domain that is not ours, and a peer that guesses passwords, hear nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote

import msgspec

from c2c_b2bua import config
from c2c_b2bua.registration.binding import Binding, Subscriber, Unbound
from c2c_b2bua.registration.contacts import Contacts
from c2c_b2bua.registration.keep_alive import KeepAlive
from c2c_b2bua.registration.server_digest import ServerDigest
from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.fields import Challenge
from c2c_b2bua.sip.flow import Flow, bracketed, way_past_nat
from c2c_b2bua.sip.message import Request
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.sip.uri import Uri
from c2c_b2bua.transaction.actions import Reply, StartTimer, Work

REGISTRAR = "the registrar"
"""Key of its timers; a Call-ID has no spaces."""
REMINDER = "keep alive"
"""Name of a timer; the others are addresses of record."""
EXTENSIONS = frozenset({"path", "outbound"})
LONGEST_AGENT = 64
FlowKey = int | tuple[str, str, int]


class Registrar:
    """All bindings of an engine, by address of record, `1001@acme.example.com`."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        self.rules = config.Registrar()
        self.domains: dict[str, dict[str, Subscriber]] = {}
        """Domain -> extension or username -> who that is."""
        self.digest = ServerDigest(b"", self.rules.digest, self.rules.nonce_lifetime, 0.0, tokens)
        self.bindings: dict[str, list[Binding]] = {}
        self.by_flow: dict[FlowKey, tuple[str, ...]] = {}
        """Flow -> the addresses of record that are reached over it."""
        self.keep_alive = KeepAlive(0)
        self.due: dict[str, float] = {}
        """Address of record -> when its timer is due."""

    # ── what the service says ────────────────────────────────────────────────────────────────────────────────────

    def open(self, rules: config.Registrar, subscribers: Iterable[Subscriber], secret: bytes, now: float) -> None:
        """From now on these may register; `secret` makes nonces that outlive a restart."""
        self.rules = rules
        self.digest = ServerDigest(secret, rules.digest, rules.nonce_lifetime, now, self.tokens)
        self.keep_alive = KeepAlive(rules.nat_keepalive)
        self.domains = {}
        for subscriber in subscribers:
            names = self.domains.setdefault(subscriber.domain, {})
            names[subscriber.user] = subscriber
        for names in self.domains.values():
            # An extension goes before the username of somebody else.
            for subscriber in list(names.values()):
                if subscriber.username:
                    names.setdefault(subscriber.username, subscriber)

    def restore(self, bindings: Iterable[Binding], now: float) -> Work:
        """Take back what was bound before a restart; timers to be started."""
        work: Work = []
        for binding in bindings:
            name, _, domain = binding.aor.rpartition("@")
            if binding.expires_at > now and name in self.domains.get(domain, {}):
                self.keep(binding.aor, [*self.bindings.get(binding.aor, []), binding])
                work += self.watch(binding.aor)
        return [*work, *self.remind(now)]

    def rest(self) -> None:
        """Somebody else keeps the way to phones open from now on."""
        self.keep_alive.stop()

    # ── what the service asks ────────────────────────────────────────────────────────────────────────────────────

    def contacts(self, aor: str, now: float) -> list[Binding]:
        """Where this user can be called now, best first."""
        found = [b for b in self.bindings.get(aor, []) if b.expires_at > now and not b.is_lost]
        return sorted(found, key=lambda binding: binding.preference)

    def of(self, aor: str, now: float) -> list[Binding]:
        """All bindings of this user, also those that cannot be called until they are renewed."""
        return [binding for binding in self.bindings.get(aor, []) if binding.expires_at > now]

    def way_to(self, aor: str, uri: str, hop: Uri, flow: Flow, now: float) -> Flow | None:
        """Where a phone of this user is now, called by this Contact over the stream `flow`; None: at `hop`.

        A stream that broke, or died with another process, is followed by the one over which the phone has registered
        since. Until then only its Contact is left, if that is not one behind a NAT or of a browser.
        """
        for binding in self.contacts(aor, now):
            if binding.uri == uri and binding.flow is not None:
                return binding.flow
        is_gone = not flow.connection or any(b.is_lost and is_over(b, flow) for b in self.bindings.get(aor, ()))
        leads_there = flow.transport in ("TCP", "TLS") and way_past_nat(hop.host, flow) is None
        return None if is_gone and leads_there else flow

    @property
    def count(self) -> int:
        """How many phones are registered."""
        return sum(map(len, self.bindings.values()))

    # ── what comes over the wire ─────────────────────────────────────────────────────────────────────────────────

    def listens_to(self, request: Request, flow: Flow, now: float, is_known: bool) -> bool:
        """Whether a REGISTER gets an answer at all; `is_known`: it comes from no stranger."""
        if not is_known and request.address("To").uri.host not in self.domains:
            return False
        # A phone that is registered is not locked out by a neighbour behind the same NAT that guesses.
        return not self.digest.is_muted(flow.host, now) or self.is_registered(flow)

    def is_registered(self, flow: Flow) -> bool:
        """Whether a phone is reached over this flow."""
        return key_of(flow) in self.by_flow

    def receive(self, key: str, request: Request, now: float) -> Work:
        """A REGISTER, with the key of its server transaction."""
        to, flow = request.address("To").uri, request.flow
        assert flow is not None
        names = self.domains.get(to.host)
        if names is None:
            return [self.reply(key, request, 403, "Not a domain of this registrar")]
        target = Uri.parse(request.uri)
        if not target.is_sip:
            return [self.reply(key, request, 416)]
        # Some phones are told an address for a domain, and write it wherever they may.
        hosts = (to.host, bracketed(flow.interface.host))
        if target.host not in hosts:
            return [self.reply(key, request, 403, "Not a domain of this registrar")]
        if unknown := [tag for tag in request.values("Require") if tag.lower() not in EXTENSIONS]:
            return [self.reply(key, request, 420, Unsupported=[", ".join(unknown)])]
        user = unquote(to.user or "")
        subscriber = names.get(user)
        given = credentials_for(to.host, request.challenges("Authorization"))
        password = password_of(subscriber, given)
        verdict = self.digest.judge(given, "REGISTER", hosts, password, flow.host, now)
        agent = (request.get("User-Agent") or "")[:LONGEST_AGENT]
        name = user[:LONGEST_AGENT]
        self.digest.answered(given, name, agent, flow.host, verdict == "accepted")
        if verdict != "accepted" or subscriber is None:
            challenges = self.digest.challenges(given, to.host, name, agent, flow.host, verdict == "stale", now)
            return [self.reply(key, request, 401, WWW_Authenticate=challenges)]
        sender = request.address("From").uri
        if sender.host != to.host or names.get(unquote(sender.user or "")) is not subscriber:
            return [self.reply(key, request, 403, "From and To are not the same user")]
        return self.register(key, subscriber.aor, request, now)

    def register(self, key: str, aor: str, request: Request, now: float) -> Work:
        """What an authenticated user wants: all of it, or nothing (§10.3 steps 6 to 8)."""
        try:
            contacts = Contacts.of(request, self.rules)
        except SipError as error:
            if error.status != 423:
                raise
            return [self.reply(key, request, 423, Min_Expires=[str(self.rules.min_expires)])]
        applied = contacts.applied(aor, self.of(aor, now), self.rules.max_contacts, self.tokens, now)
        if applied is None:
            return [self.reply(key, request, 500, "CSeq out of order")]
        after, news = applied
        response = request.response(200, to_tag=self.tokens.tag())
        if after:
            response.headers["Contact"] = [binding.shown(now) for binding in after]
        if contacts.path and "path" in request.tokens("Supported"):
            response.headers["Path"] = list(contacts.path)
        if contacts.is_outbound:
            response.headers["Require"] = ["outbound"]
        response.headers["Supported"] = ["path, outbound"]
        self.keep(aor, after)
        return [Reply(key, response), *news, *self.watch(aor), *self.remind(now)]

    def reply(self, key: str, request: Request, status: int, reason: str = "", **headers: list[str]) -> Reply:
        response = request.response(status, reason, self.tokens.tag())
        for name, values in headers.items():
            response.headers[name.replace("_", "-")] = values
        return Reply(key, response)

    # ── what ends ────────────────────────────────────────────────────────────────────────────────────────────────

    def timer(self, name: str, now: float) -> Work:
        """The first binding of the address of record `name` was due, or those behind a NAT are to be reminded of us."""
        if name == REMINDER:
            self.keep_alive.is_running = False
            return [*self.keep_alive.turn(now), *self.remind(now)]
        if self.due.get(name, 0.0) > now:
            return []
        self.due.pop(name, None)
        before = self.bindings.get(name, [])
        self.keep(name, [binding for binding in before if binding.expires_at > now])
        return [*(Unbound(b, "expired") for b in before if b.expires_at <= now), *self.watch(name)]

    def lost(self, flow: Flow) -> None:
        """A stream broke: those who registered over it cannot be called until they come again (RFC 5626 §5.3)."""
        for aor in self.by_flow.get(key_of(flow), ()) if flow.connection else ():
            self.keep(aor, [
                msgspec.structs.replace(binding, is_lost=True) if is_over(binding, flow) else binding
                for binding in self.bindings.get(aor, [])
            ])  # fmt: skip

    # ── what is kept ─────────────────────────────────────────────────────────────────────────────────────────────

    def keep(self, aor: str, bindings: list[Binding]) -> None:
        """These are the bindings of the address of record now."""
        before, after = flows_of(self.bindings.get(aor, [])), flows_of(bindings)
        if bindings:
            self.bindings[aor] = bindings
        else:
            self.bindings.pop(aor, None)
        if before.keys() == after.keys():
            return
        for key in before.keys() - after.keys():
            others = tuple(other for other in self.by_flow.get(key, ()) if other != aor)
            if others:
                self.by_flow[key] = others
            else:
                self.by_flow.pop(key, None)
                self.keep_alive.drop(before[key].flow_there)
        for key in after.keys() - before.keys():
            self.by_flow[key] = (*self.by_flow.get(key, ()), aor)
            if after[key].is_behind_nat:
                self.keep_alive.add(after[key].flow_there)

    def remind(self, now: float) -> Work:
        """One timer for all who are behind a NAT, while there are any."""
        if self.keep_alive.is_running or not self.keep_alive.is_needed:
            return []
        self.keep_alive.is_running = True
        return [StartTimer(REGISTRAR, REMINDER, float(int(now) + 1))]

    def watch(self, aor: str) -> Work:
        """One timer for an address of record, never later than the first of its bindings ends."""
        bindings = self.bindings.get(aor)
        if not bindings:
            return []
        first = min(binding.expires_at for binding in bindings)
        if self.due.get(aor, first + 1.0) <= first:
            return []
        self.due[aor] = first
        return [StartTimer(REGISTRAR, aor, first)]


def key_of(flow: Flow) -> FlowKey:
    """The stream, or the address that datagrams come from."""
    return flow.connection or (flow.transport, flow.host, flow.port)


def is_over(binding: Binding, flow: Flow) -> bool:
    return binding.flow is not None and key_of(binding.flow) == key_of(flow)


def flows_of(bindings: list[Binding]) -> dict[FlowKey, Binding]:
    return {key_of(b.flow): b for b in bindings if b.flow is not None and not b.is_lost}


def credentials_for(realm: str, given: list[Challenge]) -> Challenge | None:
    """The digest credentials for this realm."""
    return next((c for c in given if c.parameters.get("realm") == realm and c.scheme.lower() == "digest"), None)


def password_of(subscriber: Subscriber | None, given: Challenge | None) -> str | None:
    """The password that the credentials need; None: nobody's, or they name another user."""
    if subscriber is None or given is None:
        return None
    name = given.parameters.get("username", "").removesuffix(f"@{subscriber.domain}")
    return subscriber.password if name in (subscriber.user, subscriber.username) and name else None
