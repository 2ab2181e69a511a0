"""The guard of each owner: the common policy, and what that owner's own rules add to it and take away."""

from collections.abc import Callable, Sequence

from ringback._guard import Guard, NetworkPolicy
from ringback._urls import IPAddress, Url

__all__ = ["OwnerGuards", "OwnerPolicy"]

OwnerPolicy = Callable[[str], NetworkPolicy | None]
"""An owner's own rules, None for no others than the common ones."""

_REMEMBERED_POLICIES = 256


class OwnerGuards:
    """Gives the guard that judges for an owner. The rules are asked for each time, so they may change."""

    def __init__(self, common: Guard, owner_policy: OwnerPolicy | None) -> None:
        self.common = common
        self._owner_policy = owner_policy
        self._guards: dict[NetworkPolicy, Guard] = {}

    @property
    def differ(self) -> bool:
        """Whether a URL can only be judged when its owner is known."""
        return self._owner_policy is not None

    def of(self, owner: str) -> Guard:
        """The guard for what is sent on behalf of `owner`."""
        own = None if self._owner_policy is None else self._owner_policy(owner)
        if own is None:
            return self.common
        guard = self._guards.get(own)
        if guard is None:
            if len(self._guards) >= _REMEMBERED_POLICIES:
                self._guards.clear()
            guard = self._guards[own] = Guard(self.common.policy.joined(own), self.common.resolver)
        return guard

    def check_for_anybody(self, url: Url) -> None:
        """Raise `Blocked` if no owner may call `url`; where owners differ, `check` decides."""
        if self._owner_policy is None:
            self.common.policy.check_url(url)

    def check(self, owner: str, url: Url, addresses: Sequence[IPAddress] = ()) -> None:
        """Raise `Blocked` if `owner` may not call `url`, or not at one of the `addresses` of its host."""
        if self._owner_policy is None:
            return
        policy = self.of(owner).policy
        policy.check_url(url)
        for address in addresses:
            policy.check_address(url, address)
