"""Which deliveries a list shows, as the address of its page says."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any
from urllib.parse import urlencode

from ringback._store.browsing import EndpointReport
from ringback._store.filters import Filter
from ringback._types import State

__all__ = ["Choice"]

_LONGEST = 700
_NARROWING = ("state", "owner", "key", "channel", "endpoint", "destination", "error")
_DIGITS = 18
# What no delivery can have, so that an endpoint that is gone shows nothing instead of everything.
_NOBODY = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """What was asked for; empty means any. `endpoint` is a reference, `before` and `after` are row ids."""

    state: State | None = None
    owner: str = ""
    key: str = ""
    channel: str = ""
    endpoint: str = ""
    destination: str = ""
    error: str = ""
    id: str = ""
    before: int | None = None
    after: int | None = None

    @classmethod
    def read(cls, query: Mapping[str, str], channels: Collection[str]) -> "Choice":
        """Read a query; what makes no sense in it is left out."""
        # PostgreSQL takes no NUL in any text.
        text = {name: value.replace("\0", "").strip()[:_LONGEST] for name, value in query.items()}
        state, channel = text.get("state", ""), text.get("channel", "")
        return cls(
            state=State(state) if state in list(State) else None,
            owner=text.get("owner", ""),
            key=text.get("key", ""),
            channel=channel if channel in channels else "",
            endpoint=_reference(text.get("endpoint", "")),
            destination=text.get("destination", ""),
            error=text.get("error", ""),
            id=text.get("id", ""),
            before=_number(text.get("before", "")),
            after=_number(text.get("after", "")),
        )

    def filter(self, endpoint: EndpointReport | None) -> Filter:
        """The same for the store. `endpoint` is what its reference stands for."""
        owner, url = self.owner or None, None
        if self.endpoint:
            owner, url = (endpoint.owner, endpoint.url) if endpoint else (None, _NOBODY)
        states = () if self.state is None else (self.state,)
        return Filter(
            states=states,
            owner=owner,
            key=self.key or None,
            channel=self.channel or None,
            endpoint=url,
            destination=self.destination or None,
            error=self.error or None,
        )

    @property
    def is_narrow(self) -> bool:
        """Whether anything but a state was asked for."""
        return any((self.owner, self.key, self.channel, self.endpoint, self.destination, self.error, self.id))

    def fields(self) -> list[tuple[str, str]]:
        """The same as fields of a form, without the place in the list."""
        values = ((name, getattr(self, name)) for name in _NARROWING)
        return [(name, str(value)) for name, value in values if value]

    def query(self, **changes: Any) -> str:
        """The query of another list: this one with changes, from its beginning unless they say where."""
        changed = replace(self, **{"id": "", "before": None, "after": None} | changes)
        values = {field.name: getattr(changed, field.name) for field in fields(changed)}
        kept = {name: value for name, value in values.items() if value not in (None, "")}
        return f"?{urlencode(kept)}" if kept else ""


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else None


def _reference(text: str) -> str:
    is_number = text.isdigit()
    return text if text.isascii() and (not is_number or len(text) <= _DIGITS) else ""
