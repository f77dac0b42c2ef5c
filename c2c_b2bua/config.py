"""What the operator may set, as structs; `config_file.py` reads them."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Literal, cast

import msgspec
from msgspec import Meta

CODECS = ("PCMU", "PCMA", "G722", "G729", "opus", "telephone-event")
TRANSPORTS = ("udp", "tcp", "tls", "ws", "wss")
"""What the engine serves today."""
WEBSOCKETS = ("ws", "wss")
PORTS_APART = 10
"""The ports of each worker are so many above those of the one before it."""

HOST = (
    r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*\.?)"
)
HOST_PORT = re.compile(rf"(?P<host>{HOST})(?::(?P<port>\d{{1,5}}))?")
SIP_URI = re.compile(rf"sips?:(?:[^\s@<>\"?;]+@)?{HOST}(?::\d{{1,5}})?(?:;[^\s<>\"?;]+)*")

Word = Annotated[str, Meta(min_length=1)]
Count = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(ge=0, le=31_536_000)]
SomeSeconds = Annotated[float, Meta(gt=0, le=31_536_000)]
Lifetime = Annotated[int, Meta(ge=1, le=31_536_000)]
Offer = Literal["", "held", "none"]
AutoAnswer = Literal["", "call-info", "alert-info", "auto-answer", "ring-answer", "answer-mode", "none"]
"""Which header makes a phone answer by itself; empty: by what the phone is."""


class Secret(str):
    """A value that is not shown: its repr has no content."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'" if self else "''"


class Listen(msgspec.Struct, frozen=True):
    """One place to listen at; `host` without the brackets of an IPv6 address, port 0 for any free one."""

    transport: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Listen:
        """`udp:127.0.0.1:5060`, `tcp:[::1]:5060`; ValueError says what was expected."""
        transport, colon, address = text.partition(":")
        if not colon or transport not in TRANSPORTS:
            raise ValueError(f'expected "udp:host:port", or the same with {", ".join(TRANSPORTS[1:])}, got "{text}"')
        host, port = host_and_port(address)
        return cls(transport, host, port)

    def is_same_port(self, other: Listen) -> bool:
        """Whether the system would not give both; port 0 is never the same."""
        same_kind = (self.transport == "udp") == (other.transport == "udp")
        same_host = self.host == other.host or bool({self.host, other.host} & {"0.0.0.0", "::"})
        return same_kind and same_host and self.port == other.port != 0

    def __str__(self) -> str:
        return f"{self.transport}:{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of the file."""


class Api(Section, frozen=True):
    """The HTTP door."""

    listen: str = "127.0.0.1:8000"
    token_secret: Secret = Secret("")
    token_ttl: SomeSeconds = 3600.0
    connect_status: Literal[200, 202] = 200
    max_body: Annotated[int, Meta(ge=1024)] = 8_000_000
    rate_burst: Count = 100
    rate_per_second: SomeSeconds = 10.0
    rate_exempt: list[str] = msgspec.field(default_factory=lambda: ["127.0.0.0/8", "::1/128"])

    def address(self) -> tuple[str, int]:
        """Host (no brackets) and port."""
        return host_and_port(self.listen)


class Tls(Section, frozen=True):
    """Who we are, and whom we believe; paths of PEM files."""

    certificate: str = ""
    key: str = ""
    ca: str = ""
    verify: bool = True
    client_certificate: str = ""
    client_key: str = ""
    require_client_certificate: bool = False


class Limits(Section, frozen=True):
    """What anybody may take of the SIP ports; times in seconds."""

    connections: Annotated[int, Meta(ge=1)] = 20_000
    connections_per_address: Annotated[int, Meta(ge=1)] = 500
    handshake: SomeSeconds = 5.0
    message: SomeSeconds = 20.0
    idle: SomeSeconds = 7500.0
    datagrams_per_second: Count = 5000
    exempt: list[str] = msgspec.field(default_factory=lambda: ["127.0.0.0/8", "::1/128"])


class Sip(Section, frozen=True):
    """The SIP user agent."""

    listen: list[str] = msgspec.field(default_factory=lambda: ["udp:127.0.0.1:5060", "tcp:127.0.0.1:5060"])
    advertise: str = ""
    nameservers: list[str] = []
    websocket_origins: list[str] = []
    answer_strangers: bool = False
    workers: Annotated[int, Meta(ge=1, le=64)] = 1
    tls: Tls = Tls()
    limits: Limits = Limits()

    def addresses(self) -> list[Listen]:
        """`listen`, parsed."""
        return [Listen.parse(text) for text in self.listen]

    def of_worker(self, number: int) -> Sip:
        """What worker `number` (1 and up; 0 is the desk) listens at and advertises; no WebSockets, port 0 stays 0."""
        shift = PORTS_APART * number
        listen = [
            str(msgspec.structs.replace(one, port=one.port and one.port + shift))
            for one in self.addresses()
            if not number or one.transport not in WEBSOCKETS
        ]
        host, colon, port = self.advertise.rpartition(":")
        advertise = f"{host}:{int(port) + shift}" if colon and port.isdecimal() else self.advertise
        return msgspec.structs.replace(self, listen=listen, advertise=advertise)


class Registrar(Section, frozen=True):
    """Phones that register with us; times in seconds."""

    default_expires: Lifetime = 3600
    min_expires: Lifetime = 60
    max_expires: Lifetime = 7200
    max_contacts: Annotated[int, Meta(ge=1, le=100)] = 10
    digest: list[Literal["SHA-512-256", "SHA-256", "MD5"]] = msgspec.field(default_factory=lambda: ["SHA-256", "MD5"])
    nonce_lifetime: SomeSeconds = 300.0
    nat_keepalive: Annotated[int, Meta(ge=0, le=3600)] = 25


class Storage(Section, frozen=True):
    """Where documents and history are kept."""

    url: Secret = Secret("sqlite:///c2c.db")
    busy_timeout: Seconds = 1.0
    journal: str = ""

    @property
    def journal_path(self) -> str:
        """Where living calls are kept for the process after this one: beside an SQLite file, else where we run."""
        return self.journal or f"{self.beside}.calls"

    @property
    def accepted_path(self) -> str:
        """Where calls are accepted that the database does not have yet."""
        return f"{self.journal or self.beside}.accepted"

    @property
    def beside(self) -> str:
        """What the names of our own files begin with."""
        return self.url.removeprefix("sqlite:///") if self.url.startswith("sqlite:") else "c2c"


class Control(Section, frozen=True):
    """Whoever runs the service, while it runs."""

    socket: str = ""
    admin_token: Secret = Secret("")


class Numbers(Section, frozen=True):
    """How national numbers are read."""

    country: str = "US"


class Calls(Section, frozen=True):
    """How calls go, and which are not made."""

    bridge: Literal["reinvite", "refer"] = "reinvite"
    offer: Literal["held", "none"] = "held"
    codecs: list[str] = msgspec.field(default_factory=lambda: ["PCMU", "PCMA", "telephone-event"])
    ring_timeout: SomeSeconds = 30.0
    max_duration: SomeSeconds = 14400.0
    session_expires: Count = 1800
    grace: Seconds = 20.0
    max_calls: Count = 0
    queue_size: Count = 100
    queue_timeout: SomeSeconds = 30.0
    countries: list[str] = []
    allow_premium: bool = False
    allowed_hosts: list[str] = []
    open_dial_first_contact: bool = False
    contact_cooldown: Seconds = 0.0
    replays: str = ""
    replays_kept: Annotated[int, Meta(ge=1)] = 1000


class Webhooks(Section, frozen=True):
    """How events of calls are delivered to those who registered for them."""

    allowed_networks: list[str] = []
    timeout: SomeSeconds = 10.0
    retries: list[SomeSeconds] = msgspec.field(
        default_factory=lambda: [5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 7200.0]
    )
    concurrency: Annotated[int, Meta(ge=1, le=100)] = 4
    max_waiting: Annotated[int, Meta(ge=1)] = 10_000


class User(Section, frozen=True):
    """Someone who logs in, and the phone that registers as `extension`."""

    username: Word
    password: Secret
    extension: str = ""
    sip_password: Secret = Secret("")
    name: str = ""
    email: str = ""
    supervisor: bool = True
    auto_answer: AutoAnswer = ""
    offer: Offer = ""
    early_media: bool = False


class Extension(Section, frozen=True):
    """A phone that is always at the same address."""

    number: str
    uri: str
    auto_answer: AutoAnswer = ""
    offer: Offer = ""
    early_media: bool = False


class Account(Section, frozen=True):
    """A customer: documents, users and phones of its own."""

    id: str
    name: Word
    realm: str
    api_key: Secret = Secret("")
    parent: str = ""
    enabled: bool = True
    expires: str = ""
    do_not_call: list[str] = []
    user: list[User] = []
    extension: list[Extension] = []


class Rewrite(Section, frozen=True):
    """What a called number becomes: the part of it that the pattern `match` finds, `replace`d."""

    match: str
    replace: str


class Trunk(Section, frozen=True):
    """A carrier's SIP proxy."""

    name: str
    proxy: str
    username: str = ""
    password: Secret = Secret("")
    register: bool = False
    registrar: str = ""
    register_expires: Annotated[int, Meta(ge=60, le=86_400)] = 3600
    options_interval: Seconds = 0.0
    from_user: str = ""
    from_host: str = ""
    from_name: str | bool = ""
    identity: Literal["none", "pai", "ppi", "rpid"] = "none"
    privacy: str = ""
    diversion: str = ""
    hotlines: list[str] = []
    number_format: Literal["", "plus", "e164", "national"] = ""
    prefix_strip: str = ""
    prefix_add: str = ""
    rewrite: list[Rewrite] = []
    offer: Offer = ""
    early_media: bool = False
    max_calls: Count = 0
    calls_per_second: Annotated[float, Meta(ge=0, le=1_000_000)] = 0


class Config(Section, frozen=True):
    """The whole file."""

    api: Api = Api()
    sip: Sip = Sip()
    registrar: Registrar = Registrar()
    storage: Storage = Storage()
    control: Control = Control()
    numbers: Numbers = Numbers()
    calls: Calls = Calls()
    webhooks: Webhooks = Webhooks()
    account: list[Account] = []
    trunk: list[Trunk] = []

    def shown(self) -> dict[str, Any]:
        """The effective settings as plain values, secrets masked."""
        return cast("dict[str, Any]", masked(self))


def masked(value: object) -> object:
    """`value` as plain dicts, lists and scalars without any secret; passwords inside a storage URL are starred."""
    if isinstance(value, Secret):
        return re.sub(r"(?<=://)([^:/@]*):[^@]*@", r"\1:***@", value) if "://" in value else "***" if value else ""
    if isinstance(value, msgspec.Struct):
        return {field: masked(getattr(value, field)) for field in value.__struct_fields__}
    return [masked(item) for item in value] if isinstance(value, list) else value


def host_and_port(text: str) -> tuple[str, int]:
    """`host:port`, `[ip6]:port`; ValueError says what was expected."""
    found = HOST_PORT.fullmatch(text)
    if not found or found["port"] is None or int(found["port"]) > 65535:
        raise ValueError(f'expected "host:port" ("[address]:port" for IPv6), got "{text}"')
    host = found["host"]
    if host.startswith("["):
        host = host[1:-1]
        if not is_address(host):
            raise ValueError(f'expected an IPv6 address in the brackets, got "{text}"')
    elif re.fullmatch(r"[\d.]+", host) and not is_address(host):
        raise ValueError(f'expected an IPv4 address or a host name, got "{host}"')
    return host, int(found["port"])


def nameserver(text: str) -> tuple[str, int]:
    """Address and port of a nameserver, `192.0.2.53`, `127.0.0.1:5353`, `[::1]:53`; ValueError says what was expected."""
    if is_address(text):
        return text, 53
    found = HOST_PORT.fullmatch(text)
    host = found["host"].strip("[]") if found else ""
    if found is None or not is_address(host) or int(found["port"] or 53) > 65535:
        raise ValueError(f'expected an IP address, or "address:port", got "{text}"')
    return host, int(found["port"] or 53)


def is_address(text: str) -> bool:
    """Whether this is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
