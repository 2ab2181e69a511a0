"""Every error that Ringback raises: one base class, and messages that say what to do."""

from collections.abc import Sequence

__all__ = [
    "Blocked",
    "ContractBreach",
    "ContractError",
    "InvalidExpression",
    "InvalidUrl",
    "MigrationNeeded",
    "NothingDelivers",
    "RingbackError",
    "TargetConflict",
    "UnknownTarget",
    "UnusableValue",
    "WrongDatabase",
]


class RingbackError(Exception):
    """The base of every error here. Its text says what happened, with which value, and what to do."""


class InvalidExpression(RingbackError):
    """A callback's key is not a runtime expression of OpenAPI 3.x (section "Runtime Expressions")."""


class UnusableValue(RingbackError):
    """A value of the request cannot be used in the callback's URL.

    `source` is the expression that gave it, for example ``$request.query.callback_url``.
    """

    def __init__(self, source: str, reason: str) -> None:
        self.source = source
        self.reason = reason
        super().__init__(f"{source}: {reason}")


class InvalidUrl(RingbackError):
    """A text is not an absolute http(s) URL in the strict grammar that Ringback calls."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Blocked(RingbackError):
    """The network policy forbids calling this URL or address. Operators see why; API users do not.

    `source` is the expression that gave it, empty where that is not known.
    """

    def __init__(self, reason: str, source: str = "") -> None:
        self.reason = reason
        self.source = source
        super().__init__(reason)


class ContractError(RingbackError):
    """Declared callbacks that cannot be delivered as documented; raised at start, with every finding."""

    def __init__(self, findings: Sequence[str]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n\n".join(self.findings))


class ContractBreach(RingbackError):
    """A payload does not match the published document, so nothing was stored."""


class UnknownTarget(RingbackError):
    """`send` names a key that was never bound."""


class TargetConflict(RingbackError):
    """A key is bound already, and to another URL; pass ``replace=True`` to mean it."""


class WrongDatabase(RingbackError):
    """The session's database is not the one that Ringback delivers from."""


class NothingDelivers(RingbackError):
    """A callback would be stored, but no engine runs here and ``worker="external"`` was not said."""


class MigrationNeeded(RingbackError):
    """The database's tables are older or newer than this version of Ringback."""
