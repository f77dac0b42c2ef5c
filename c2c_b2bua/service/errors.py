"""Why the service does not do what it was asked; the dialects of `api/` say it in their own words."""

from __future__ import annotations

from typing import Any

Complaints = dict[str, dict[str, dict[str, Any]]]
"""Dotted path of a field → code of the complaint → its message and values."""


class ServiceError(Exception):
    """One sentence for whoever asked."""


class InvalidError(ServiceError):
    """What was given cannot be taken; `complaints` names every field that is wrong."""

    def __init__(self, complaints: Complaints) -> None:
        self.complaints = complaints
        super().__init__("validation error")

    @classmethod
    def of(cls, path: str, code: str, message: str, **values: Any) -> InvalidError:
        """With a single complaint."""
        return cls({path: {code: {"message": message, **values}}})


class UnroutableError(InvalidError):
    """The number in `field` (`contact` or `extension`) is not called; `cause` is the Q.850 word for why."""

    def __init__(self, field: str, code: str, text: str, cause: str, value: str) -> None:
        self.field = field
        self.code = code
        self.text = text
        self.cause = cause
        super().__init__({field: {code: {"message": text, "cause": cause, "value": value}}})


class NotWhitelistedError(ServiceError):
    """The whitelist of the click-to-call has no pattern for `contact`."""

    def __init__(self, contact: str) -> None:
        self.contact = contact
        super().__init__("Contact doesn't match whitelist")


class UnauthenticatedError(ServiceError):
    """Nobody, or nobody we know; `expired` when a token was readable but is good no longer."""

    def __init__(self, expired: bool = False) -> None:
        self.expired = expired
        super().__init__("invalid credentials")


class OrphanedError(UnauthenticatedError):
    """The token was good, but its account is no longer there."""

    def __init__(self) -> None:
        super().__init__(expired=True)


class ForbiddenError(ServiceError):
    """Somebody else's."""


class LockedError(ServiceError):
    """The account is disabled, or expired at `expired_at` (seconds since 1970)."""

    def __init__(self, expired_at: float | None = None) -> None:
        self.expired_at = expired_at
        super().__init__("account disabled" if expired_at is None else "account expired")


class UnknownError(ServiceError):
    """Nothing has this identifier."""

    def __init__(self, identifier: str) -> None:
        self.identifier = identifier
        super().__init__("bad identifier")


class ConflictingError(ServiceError):
    """It was changed meanwhile, or an idempotency key was used for something else."""


class TooManyError(ServiceError):
    """Not now: in `wait` seconds."""

    def __init__(self, text: str, wait: float) -> None:
        self.wait = wait
        super().__init__(text)


class UnavailableError(ServiceError):
    """We are closing; another instance, or this one after `wait` seconds, will do it."""

    def __init__(self, text: str, wait: float) -> None:
        self.wait = wait
        super().__init__(text)


class TooMuchError(ServiceError):
    """More than fits into one answer was asked for."""


class FaultyPageError(ServiceError):
    """A page size that is none."""
