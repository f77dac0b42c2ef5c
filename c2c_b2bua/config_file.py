"""How a TOML text becomes the configuration, or an error that says where it is wrong and what was expected."""

from __future__ import annotations

import difflib
import ipaddress
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator

import msgspec
import phonenumbers
import re2

from c2c_b2bua.config import (
    CODECS,
    HOST,
    HOST_PORT,
    SIP_URI,
    Account,
    Api,
    Calls,
    Config,
    Control,
    Extension,
    Limits,
    Listen,
    Numbers,
    Registrar,
    Rewrite,
    Secret,
    Section,
    Sip,
    Storage,
    Tls,
    Trunk,
    User,
    Webhooks,
    host_and_port,
    nameserver,
)

ACCOUNT_ID = re.compile(r"[0-9a-f]{32}")
API_KEY = re.compile(r"[0-9a-fA-F]{64}")
SHORTEST_TOKEN = 16
DAY = re.compile(
    r"[12]\d{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|[12]\d))"
    r"(?<!-02-29)"
)
ORIGIN = re.compile(rf"https?://{HOST}(?::\d{{1,5}})?")
NUMBER = re.compile(r"\+?[0-9A-Za-z*#._-]{1,64}")
PRIVACY = ("header", "session", "user", "id", "none", "critical")
"""RFC 3323 §4.2, RFC 3325 §9.3."""
QUIET = re2.Options()
QUIET.log_errors = False
MESSAGE = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<path>.*)`)?", re.DOTALL)

TABLES: dict[str, type[Section]] = {
    "": Config,
    "api": Api,
    "sip": Sip,
    "sip.tls": Tls,
    "sip.limits": Limits,
    "registrar": Registrar,
    "storage": Storage,
    "control": Control,
    "numbers": Numbers,
    "calls": Calls,
    "webhooks": Webhooks,
    "account": Account,
    "account.user": User,
    "account.extension": Extension,
    "trunk": Trunk,
    "trunk.rewrite": Rewrite,
}


class ConfigError(Exception):
    """The text is no configuration; `problems` has one line each: `file: key path: what was expected`."""

    def __init__(self, name: str, problems: Iterable[tuple[str, str]]) -> None:
        self.problems = [f"{name}: {path}: {text}" if path else f"{name}: {text}" for path, text in problems]
        super().__init__("\n".join(self.problems))


def parse(text: str, name: str, resolve: Callable[[str], str]) -> Config:
    """The configuration in `text`, or ConfigError with every line naming `name` and the key path.

    `resolve` turns `env:NAME` and `file:PATH` into the secret; it raises ValueError saying what is missing.
    """

    def decode_secret(kind: type, value: object) -> Secret:
        if kind is not Secret or not isinstance(value, str):
            raise ValueError(f"Expected `str`, got `{type(value).__name__}`")
        return Secret(resolve(value) if value.startswith(("env:", "file:")) else value)

    try:
        config = msgspec.convert(tomllib.loads(text), Config, dec_hook=decode_secret)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(name, [("", f"not TOML: {error}")]) from None
    except msgspec.ValidationError as error:
        raise ConfigError(name, [explain(str(error))]) from None
    if found := list(problems(config)):
        raise ConfigError(name, found)
    return config


def explain(message: str) -> tuple[str, str]:
    """Key path and expectation out of a message of msgspec."""
    found = MESSAGE.fullmatch(message)
    assert found
    what, path = found["what"], found["path"] or ""
    if key := re.fullmatch(r"Object contains unknown field `(.*)`", what):
        table = TABLES[re.sub(r"\[\d+\]", "", path)]
        near = difflib.get_close_matches(key[1], table.__struct_fields__, n=1)
        known = f'did you mean "{near[0]}"?' if near else f"known are {', '.join(table.__struct_fields__)}"
        return f"{path}.{key[1]}".lstrip("."), f"unknown key; {known}"
    if key := re.fullmatch(r"Object missing required field `(.*)`", what):
        return f"{path}.{key[1]}".lstrip("."), "missing; this key has no default"
    if re.match(r"Invalid enum value", what):
        return path, f"{what[0].lower()}{what[1:]}; expected {expected_words(path)}"
    what = what.replace("`object`", "a table").replace("`array`", "a list").replace("`", "")
    return path, what[0].lower() + what[1:]


def expected_words(path: str) -> str:
    """The words a key with a fixed choice takes."""
    table, _, key = re.sub(r"\[\d+\]", "", path).rpartition(".")
    kind = msgspec.inspect.type_info(TABLES[table])
    assert isinstance(kind, msgspec.inspect.StructType)
    choice = next(field.type for field in kind.fields if field.name == key)
    return (
        " or ".join(str(value) or '""' for value in choice.values)
        if isinstance(choice, msgspec.inspect.LiteralType)
        else ""
    )


def problems(config: Config) -> Iterator[tuple[str, str]]:
    """Values of the right type that cannot be meant, with their key paths."""
    yield from unparsed("api.listen", host_and_port, config.api.listen)
    for index, network in enumerate(config.api.rate_exempt):
        yield from unparsed(f"api.rate_exempt[{index}]", ipaddress.ip_network, network)
    yield from sip_problems(config.sip)
    if not re.match(r"sqlite:///(?!:memory:).|postgresql://.", config.storage.url):
        yield "storage.url", "expected sqlite:///path or postgresql://user:password@host/database"
    if 0 < len(config.control.admin_token) < SHORTEST_TOKEN:
        yield "control.admin_token", f"expected at least {SHORTEST_TOKEN} characters"
    for index, network in enumerate(config.webhooks.allowed_networks):
        yield from unparsed(f"webhooks.allowed_networks[{index}]", ipaddress.ip_network, network)
    rules = config.registrar
    if not rules.min_expires <= rules.default_expires <= rules.max_expires:
        yield "registrar.default_expires", "expected a time from min_expires to max_expires"
    if not rules.digest:
        yield "registrar.digest", "expected at least one algorithm"
    yield from worker_problems(config)
    yield from call_problems(config)
    yield from account_problems(config.account)
    yield from trunk_problems(config.trunk)


def sip_problems(sip: Sip) -> Iterator[tuple[str, str]]:
    for index, text in enumerate(sip.listen):
        yield from unparsed(f"sip.listen[{index}]", Listen.parse, text)
        if text.startswith("wss:") and not sip.tls.certificate:
            yield "sip.tls.certificate", f'missing; "{text}" needs one'
    if not sip.listen:
        yield "sip.listen", "expected at least one address"
    if sip.advertise and not HOST_PORT.fullmatch(sip.advertise):
        yield "sip.advertise", f'expected host or host:port, got "{sip.advertise}"'
    for index, text in enumerate(sip.nameservers):
        yield from unparsed(f"sip.nameservers[{index}]", nameserver, text)
    for index, origin in enumerate(sip.websocket_origins):
        if not ORIGIN.fullmatch(origin):
            yield (
                f"sip.websocket_origins[{index}]",
                f'expected an origin such as "https://www.example.com", got "{origin}"',
            )
    for index, network in enumerate(sip.limits.exempt):
        yield from unparsed(f"sip.limits.exempt[{index}]", ipaddress.ip_network, network)
    if sip.tls.key and not sip.tls.certificate:
        yield "sip.tls.certificate", "missing; there is a key"
    if sip.tls.client_key and not sip.tls.client_certificate:
        yield "sip.tls.client_certificate", "missing; there is a client_key"
    if sip.tls.require_client_certificate and not sip.tls.ca:
        yield "sip.tls.ca", "missing; require_client_certificate needs the authorities that sign them"


def worker_problems(config: Config) -> Iterator[tuple[str, str]]:
    """Ports that workers cannot have; the first one is enough."""
    path, sip = "sip.workers", config.sip
    try:
        taken = [
            (Listen("tcp", *config.api.address()), "api.listen"),
            *((one, "sip.listen") for one in sip.addresses()),
        ]
    except ValueError:
        return
    for number in range(1, sip.workers):
        try:
            listens = sip.of_worker(number).addresses()
        except ValueError as error:
            yield path, f"worker {number} would have no port: {error}"
            return
        if not listens:
            yield path, "expected a udp:, tcp: or tls: address in sip.listen; workers have no other"
            return
        for one in listens:
            for other, whose in taken:
                if one.is_same_port(other):
                    yield path, f"worker {number} would listen at {one}, which is taken by {other} of {whose}"
                    return
        taken += [(one, f"worker {number}") for one in listens]


def unparsed(path: str, parser: Callable[[str], object], text: str) -> Iterator[tuple[str, str]]:
    """The complaint of `parser` about `text`, if any."""
    try:
        parser(text)
    except ValueError as error:
        yield path, str(error)


def call_problems(config: Config) -> Iterator[tuple[str, str]]:
    countries = [("numbers.country", config.numbers.country)]
    countries += [(f"calls.countries[{i}]", c) for i, c in enumerate(config.calls.countries) if c != "*"]
    for path, country in countries:
        if country not in phonenumbers.SUPPORTED_REGIONS:
            yield path, f'expected a country by its two letters, such as "US", got "{country}"'
    for index, codec in enumerate(config.calls.codecs):
        if codec not in CODECS:
            yield f"calls.codecs[{index}]", f'unknown codec "{codec}"; known are {", ".join(CODECS)}'
    if not set(config.calls.codecs) - {"telephone-event"}:
        yield "calls.codecs", "expected at least one audio codec"
    if 0 < config.calls.session_expires < 90:
        yield (
            "calls.session_expires",
            f"expected 0, or 90 seconds and more (RFC 4028), got {config.calls.session_expires}",
        )
    for index, host in enumerate(config.calls.allowed_hosts):
        if not HOST_PORT.fullmatch(host):
            yield f"calls.allowed_hosts[{index}]", f'expected a host name or address, got "{host}"'


def account_problems(accounts: list[Account]) -> Iterator[tuple[str, str]]:
    for key in ("id", "name", "realm", "api_key"):
        yield from doubled("account", key, [getattr(account, key) for account in accounts])
    parents = {account.id: account.parent for account in accounts}
    for index, account in enumerate(accounts):
        path = f"account[{index}]"
        if not ACCOUNT_ID.fullmatch(account.id):
            yield f"{path}.id", f'expected 32 lower-case hexadecimal digits, got "{account.id}"'
        if not re.fullmatch(HOST, account.realm):
            yield f"{path}.realm", f'expected a domain such as "acme.example.com", got "{account.realm}"'
        if account.api_key and not API_KEY.fullmatch(account.api_key):
            yield f"{path}.api_key", "expected 64 hexadecimal digits"
        if account.parent and account.parent not in parents:
            yield f"{path}.parent", f'unknown account "{account.parent}"'
        elif in_a_circle(account.id, parents):
            yield f"{path}.parent", "is an ancestor of itself"
        if account.expires and not DAY.fullmatch(account.expires):
            yield f"{path}.expires", f'expected a day such as "2030-12-31", got "{account.expires}"'
        for number_index, number in enumerate(account.do_not_call):
            if not NUMBER.fullmatch(number):
                yield f"{path}.do_not_call[{number_index}]", f'expected a number such as "+14155550100", got "{number}"'
        yield from phone_problems(path, account)


def in_a_circle(start: str, parents: dict[str, str]) -> bool:
    """Whether following the parents from `start` comes back to it."""
    seen: set[str] = set()
    here = parents[start]
    while here and here not in seen:
        seen.add(here)
        here = parents.get(here, "")
    return start in seen


def phone_problems(path: str, account: Account) -> Iterator[tuple[str, str]]:
    yield from doubled(f"{path}.user", "username", [user.username for user in account.user])
    registering = {user.extension: f"{path}.user[{i}]" for i, user in enumerate(account.user) if user.sip_password}
    yield from doubled(f"{path}.user", "extension", [user.extension for user in account.user])
    yield from doubled(f"{path}.user", "email", [user.email.lower() for user in account.user])
    yield from doubled(f"{path}.extension", "number", [extension.number for extension in account.extension])
    for index, user in enumerate(account.user):
        if user.extension and not NUMBER.fullmatch(user.extension):
            yield f"{path}.user[{index}].extension", f'expected a number such as "1001", got "{user.extension}"'
    for index, extension in enumerate(account.extension):
        here = f"{path}.extension[{index}]"
        if not NUMBER.fullmatch(extension.number):
            yield f"{here}.number", f'expected a number such as "2001", got "{extension.number}"'
        elif extension.number in registering:
            where = registering[extension.number]
            yield (
                f"{here}.number",
                f'"{extension.number}" registers as the extension of {where}, which has a sip_password',
            )
        if not SIP_URI.fullmatch(extension.uri):
            yield f"{here}.uri", f'expected a SIP URI such as "sip:2001@192.0.2.10:5060", got "{extension.uri}"'


def trunk_problems(trunks: list[Trunk]) -> Iterator[tuple[str, str]]:
    yield from doubled("trunk", "name", [trunk.name for trunk in trunks])
    for index, trunk in enumerate(trunks):
        path = f"trunk[{index}]"
        if not re.fullmatch(r"[\w.-]{1,64}", trunk.name):
            yield f"{path}.name", f'expected letters, digits, ".", "_" or "-", got "{trunk.name}"'
        if not SIP_URI.fullmatch(trunk.proxy):
            yield f"{path}.proxy", f'expected a SIP URI such as "sip:sip.carrier.example", got "{trunk.proxy}"'
        if trunk.register and not trunk.username:
            yield f"{path}.register", "expected a username to register as"
        if trunk.registrar and not SIP_URI.fullmatch(trunk.registrar):
            yield f"{path}.registrar", f'expected a SIP URI such as "sip:reg.carrier.example", got "{trunk.registrar}"'
        if 0 < trunk.options_interval < 1:
            yield f"{path}.options_interval", f"expected 0, or at least 1 second, got {trunk.options_interval}"
        yield from identity_problems(path, trunk)
        yield from rewrite_problems(path, trunk)


def identity_problems(path: str, trunk: Trunk) -> Iterator[tuple[str, str]]:
    """What a profile cannot say of a caller."""
    numbers = {"from_user": trunk.from_user, "diversion": trunk.diversion}
    numbers = {key: number for key, number in numbers.items() if number}
    numbers |= {f"hotlines[{index}]": number for index, number in enumerate(trunk.hotlines)}
    for key, number in numbers.items():
        if not NUMBER.fullmatch(number):
            yield f"{path}.{key}", f'expected a number or a user name, got "{number}"'
    if trunk.from_host and not re.fullmatch(HOST, trunk.from_host):
        yield f"{path}.from_host", f'expected a host such as "carrier.example", got "{trunk.from_host}"'
    if trunk.from_name is True:
        yield f"{path}.from_name", "expected a name, or false for none"
    elif trunk.from_name and (not trunk.from_name.isprintable() or len(trunk.from_name) > 64):
        yield f"{path}.from_name", "expected at most 64 characters, and no control characters"
    if trunk.privacy:
        words = trunk.privacy.replace(" ", "").split(";")
        if unknown := [word for word in words if word not in PRIVACY]:
            yield f"{path}.privacy", f'unknown word "{unknown[0]}"; known are {", ".join(PRIVACY)}, joined by ";"'
        elif len(set(words)) < len(words):
            yield f"{path}.privacy", "the same word twice"
        elif words == ["critical"] or ("none" in words and len(words) > 1):
            yield f"{path}.privacy", '"critical" needs another word, and "none" stands alone'


def rewrite_problems(path: str, trunk: Trunk) -> Iterator[tuple[str, str]]:
    """Rules that cannot be followed."""
    for key, digits in (("prefix_strip", trunk.prefix_strip), ("prefix_add", trunk.prefix_add)):
        if digits and not re.fullmatch(r"\+?[0-9*#]{0,32}", digits):
            yield f"{path}.{key}", f'expected digits, "*", "#", perhaps after a "+", got "{digits}"'
    if trunk.rewrite and (trunk.prefix_strip or trunk.prefix_add):
        yield f"{path}.rewrite", "expected either rules or prefix_strip and prefix_add, not both"
    for index, rule in enumerate(trunk.rewrite):
        here = f"{path}.rewrite[{index}]"
        try:
            groups = re2.compile(rule.match, QUIET).groups
        except re2.error as error:
            yield f"{here}.match", f"not a pattern: {error.args[0].decode()}"
            continue
        if not re.fullmatch(r"\+?(?:[0-9*#]|\\[1-9])*", rule.replace):
            yield f"{here}.replace", f'expected digits, "*", "#" and groups such as "\\1", got "{rule.replace}"'
        elif any(int(group) > groups for group in re.findall(r"\\([1-9])", rule.replace)):
            yield f"{here}.replace", f'"{rule.match}" has only {groups} groups'


def doubled(table: str, key: str, values: list[str]) -> Iterator[tuple[str, str]]:
    """Every value that an earlier entry of the list has already; empty ones do not count. Secrets are not repeated."""
    first: dict[str, int] = {}
    for index, value in enumerate(values):
        if value and first.setdefault(value, index) != index:
            shown = "the key" if isinstance(value, Secret) else f'"{value}"'
            yield f"{table}[{index}].{key}", f"{shown} is already that of {table}[{first[value]}]"
