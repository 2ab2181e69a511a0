"""The one gate to the network: which URLs and addresses may be called, judged again at every attempt."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

from ringback._addresses import embedded_address, is_metadata, judge_address
from ringback._errors import Blocked
from ringback._resolver import Resolver, SystemResolver, Unresolved
from ringback._urls import IPAddress, Url, is_inside_name, literal_address

__all__ = ["Guard", "NetworkPolicy", "Unresolved"]

DEFAULT_PORTS = frozenset({80, 443, 8080, 8443})

_METADATA_NAMES = frozenset({"metadata.google.internal", "metadata.goog", "instance-data.ec2.internal"})
_LOOPBACK4, _LOOPBACK6 = IPv4Address("127.0.0.1"), IPv6Address("::1")
_REMEMBERED_PLACES = 32_768
_NO_HOST = frozenset({"(none)"})
"""A list of hosts on which none can be, for no host is written like this; an empty list means all."""


@dataclass(frozen=True, slots=True)
class NetworkPolicy:
    """What may be called. The default is the public internet on the usual web ports.

    `allow_networks` are networks whose addresses may be called although they are not public; they are
    exempt from `ports`, `https_only` and the rule on inside names. `deny_hosts` are never called and,
    unless it is empty, nothing outside `allow_hosts` is. A host entry is a name, an address, or
    ``*.example.com`` for everything below a name. Addresses where clouds hand out credentials are
    refused whatever is set here.
    """

    allow_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    ports: frozenset[int] = DEFAULT_PORTS
    https_only: bool = False
    allow_hosts: frozenset[str] = frozenset()
    deny_hosts: frozenset[str] = frozenset()

    @classmethod
    def from_settings(
        cls,
        allow_networks: Iterable[str] = (),
        *,
        ports: Iterable[int] = DEFAULT_PORTS,
        https_only: bool = False,
        allow_hosts: Iterable[str] = (),
        deny_hosts: Iterable[str] = (),
    ) -> "NetworkPolicy":
        """A policy from texts as settings hold them; raises ValueError with the entry that is wrong."""
        return cls(
            allow_networks=tuple(_read_network(text) for text in allow_networks),
            ports=frozenset(ports),
            https_only=https_only,
            allow_hosts=frozenset(host.lower() for host in allow_hosts),
            deny_hosts=frozenset(host.lower() for host in deny_hosts),
        )

    def joined(self, own: "NetworkPolicy") -> "NetworkPolicy":
        """This policy for somebody with `own` rules: those networks are added, all else holds as well.

        So a host must meet both lists of hosts, and a port both lists of ports.
        """
        both = self.allow_hosts or own.allow_hosts
        if self.allow_hosts and own.allow_hosts:
            both = frozenset(
                {entry for entry in own.allow_hosts if _is_listed(entry, self.allow_hosts)}
                | {entry for entry in self.allow_hosts if _is_listed(entry, own.allow_hosts)}
            )
            both = both or _NO_HOST
        return NetworkPolicy(
            allow_networks=tuple(dict.fromkeys((*self.allow_networks, *own.allow_networks))),
            ports=self.ports & own.ports,
            https_only=self.https_only or own.https_only,
            allow_hosts=both,
            deny_hosts=self.deny_hosts | own.deny_hosts,
        )

    def check_url(self, url: Url) -> None:
        """Raise `Blocked` if no address could make `url` callable. Does no I/O.

        A name on another port, an inside name or plain http may still lead into `allow_networks`; then
        only the addresses decide, in `check_address`.
        """
        self.check_host(url.host)
        address = literal_address(url.host)
        if address is not None:
            self.check_address(url, address)
        elif not self.allow_networks:
            self._check_public(url)

    def check_address(self, url: Url, address: IPAddress) -> None:
        """Raise `Blocked` if `url` may not be called at `address`, one of those its host stands for."""
        where = (
            f"{address}"
            if literal_address(url.host) is not None
            else f"{url.host} resolves to {address}, which"
        )
        if is_metadata(address):
            raise Blocked(f"{where} is a cloud's metadata address and is never called")
        if self.is_allowed(address):
            return
        reason = judge_address(address)
        if reason is not None:
            raise Blocked(
                f"{where} is not a public address ({reason}); only an operator can allow its network, "
                "with allow_networks"
            )
        self._check_public(url)

    def is_allowed(self, address: IPAddress) -> bool:
        """Whether `address` lies in `allow_networks`, and what it embeds may be called too.

        ``::1`` counts as 127.0.0.1, for `localhost` stands for both on most systems.
        """
        if address == _LOOPBACK6 and self._contains(_LOOPBACK4):
            return True
        if not self._contains(address):
            return False
        inner = embedded_address(address)
        return inner is None or judge_address(inner) is None or self.is_allowed(inner)

    def check_host(self, host: str) -> None:
        """Raise `Blocked` if a list of hosts (or a metadata service's name) rules `host` out."""
        if host in _METADATA_NAMES:
            raise Blocked(f"{host} is a cloud's metadata service and is never called")
        if _is_listed(host, self.deny_hosts):
            raise Blocked(f"{host} is on the list of hosts that are never called (deny_hosts)")
        if self.allow_hosts and not _is_listed(host, self.allow_hosts):
            raise Blocked(f"{host} is not on the list of hosts that may be called (allow_hosts)")

    def _contains(self, address: IPAddress) -> bool:
        return any(address in network for network in self.allow_networks)

    def _check_public(self, url: Url) -> None:
        if literal_address(url.host) is None and is_inside_name(url.host):
            raise Blocked(f"{url.host} is a name of inside networks, not of the public internet")
        if url.port not in self.ports:
            allowed = ", ".join(str(port) for port in sorted(self.ports))
            raise Blocked(f"port {url.port} may not be called; use one of {allowed}")
        if self.https_only and url.scheme != "https":
            raise Blocked("only https may be called; use https://")


class Guard:
    """A policy and a resolver: turns a URL into the addresses that may be connected to, and no others.

    Policies and tables do not change while a guard lives, so it remembers what it found good: an answer
    that is the same as last time is not judged again, any other answer is.
    """

    def __init__(self, policy: NetworkPolicy, resolver: Resolver | None = None) -> None:
        self.policy = policy
        self.resolver: Resolver = resolver or SystemResolver()
        self._good: dict[tuple[str, str, int], tuple[IPAddress, ...]] = {}

    def literal(self, url: Url) -> tuple[IPAddress, ...] | None:
        """The judged address if `url` writes one out, None if it holds a name; raises `Blocked`."""
        address = literal_address(url.host)
        if address is None:
            return None
        good = self._good.get((url.scheme, url.host, url.port))
        if good is None:
            self.policy.check_url(url)
            good = self._remember(url, (address,))
        return good

    async def addresses(self, url: Url, timeout: float) -> tuple[IPAddress, ...]:
        """The addresses of `url`, all of them judged; `timeout` bounds the lookup, in seconds.

        Raises `Blocked` if the policy refuses the URL or **any** of its addresses, since a name that
        mixes public and inside addresses is an attack or a mistake; `Unresolved` if it has none now.
        """
        literal = self.literal(url)
        if literal is not None:
            return literal
        good = self._good.get((url.scheme, url.host, url.port))
        if good is None:
            self.policy.check_url(url)
        found = await self.resolve(url.host, timeout)
        if found == good:
            return good
        for address in found:
            self.policy.check_address(url, address)
        return self._remember(url, found)

    async def resolve(self, host: str, timeout: float) -> tuple[IPAddress, ...]:
        """All addresses of a name within `timeout` seconds, not judged; raises `Unresolved`."""
        try:
            async with asyncio.timeout(timeout):
                found = await self.resolver.resolve(host)
        except TimeoutError:
            raise Unresolved(f"the name {host} had no answer within {timeout:g} s") from None
        if not found:
            raise Unresolved(f"the name {host} has no address")
        return tuple(dict.fromkeys(found))

    def _remember(self, url: Url, found: tuple[IPAddress, ...]) -> tuple[IPAddress, ...]:
        if len(self._good) >= _REMEMBERED_PLACES:
            self._good.clear()
        self._good[url.scheme, url.host, url.port] = found
        return found


def _is_listed(host: str, entries: frozenset[str]) -> bool:
    if host in entries:
        return True
    address = literal_address(host)
    if address is not None:
        return str(address) in entries
    labels = host.split(".")
    return any("*." + ".".join(labels[i:]) in entries for i in range(1, len(labels)))


def _read_network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text.strip())
    except ValueError as error:
        raise ValueError(
            f"allow_networks: {text!r} is not a network such as 10.0.0.0/8 or fd00::/8: {error}"
        ) from None
