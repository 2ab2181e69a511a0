"""Which IP addresses are public: our own tables, since those of the standard library differ by version."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from ringback._urls import IPAddress

__all__ = ["embedded_address", "is_metadata", "judge_address"]

# IANA's IPv4 special-purpose registry, multicast, class E, and one address that a cloud took for itself.
_IPV4_REFUSED = tuple(
    (IPv4Network(network), reason)
    for network, reason in (
        ("0.0.0.0/8", "this host, RFC 1122"),
        ("10.0.0.0/8", "private, RFC 1918"),
        ("100.64.0.0/10", "shared by carriers, RFC 6598"),
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "Azure's wire server"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private, RFC 1918"),
        ("192.0.0.0/24", "protocol assignments, RFC 6890"),
        ("192.0.2.0/24", "documentation, RFC 5737"),
        ("192.31.196.0/24", "AS112, RFC 7535"),
        ("192.52.193.0/24", "AMT, RFC 7450"),
        ("192.88.99.0/24", "6to4 relay, RFC 7526"),
        ("192.168.0.0/16", "private, RFC 1918"),
        ("192.175.48.0/24", "AS112, RFC 7534"),
        ("198.18.0.0/15", "benchmarking, RFC 2544"),
        ("198.51.100.0/24", "documentation, RFC 5737"),
        ("203.0.113.0/24", "documentation, RFC 5737"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved or broadcast"),
    )
)

_IPV6_GLOBAL = IPv6Network("2000::/3")

# What is special inside 2000::/3. Everything outside it is refused without a table.
_IPV6_REFUSED = tuple(
    (IPv6Network(network), reason)
    for network, reason in (
        ("2001::/23", "protocol assignments, RFC 2928"),
        ("2001:db8::/32", "documentation, RFC 3849"),
        ("2620:4f:8000::/48", "AS112, RFC 7534"),
        ("3fff::/20", "documentation, RFC 9637"),
    )
)

# Only names for the reason: all of these lie outside 2000::/3.
_IPV6_OUTSIDE = tuple(
    (IPv6Network(network), reason)
    for network, reason in (
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("fc00::/7", "unique local, RFC 4193"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local, RFC 3879"),
        ("ff00::/8", "multicast"),
        ("100::/64", "discard, RFC 6666"),
        ("100:0:0:1::/64", "dummy prefix, RFC 9780"),
        ("5f00::/16", "segment routing, RFC 9602"),
    )
)

# Where clouds and orchestrators hand out credentials. Networks where they use several of one block.
_METADATA: tuple[IPv4Network | IPv6Network, ...] = (
    IPv4Network("100.100.100.200/32"),  # Alibaba
    IPv4Network("168.63.129.16/32"),  # Azure
    IPv4Network("169.254.0.23/32"),  # Tencent
    IPv4Network("169.254.10.10/32"),  # Tencent
    IPv4Network("169.254.42.42/32"),  # Scaleway
    IPv4Network("169.254.169.0/24"),  # AWS, Google, Azure, DigitalOcean, OpenStack and most others
    IPv4Network("169.254.170.0/24"),  # AWS containers
    IPv4Network("192.0.0.192/32"),  # Oracle
    IPv6Network("fd00:42::42/128"),  # Scaleway
    IPv6Network("fd00:ec2::/32"),  # AWS
    IPv6Network("fd20:ce::254/128"),  # Google
    IPv6Network("fe80::a9fe:a9fe/128"),  # OpenStack
)

_MAPPED = IPv6Network("::ffff:0:0/96")
_TRANSLATED = IPv6Network("::ffff:0:0:0/96")
_COMPATIBLE = IPv6Network("::/96")
_NAT64 = IPv6Network("64:ff9b::/96")
_NAT64_LOCAL = IPv6Network("64:ff9b:1::/48")
_SIX_TO_FOUR = IPv6Network("2002::/16")
_TEREDO = IPv6Network("2001::/32")
_ISATAP = frozenset({0x00005EFE, 0x02005EFE})


def judge_address(ip: IPAddress) -> str | None:
    """Why `ip` is not an address of the public internet, or None if it is."""
    if isinstance(ip, IPv4Address):
        return next((reason for network, reason in _IPV4_REFUSED if ip in network), None)
    if ip.scope_id is not None:
        return "bound to one network interface"
    form = _form(ip)
    if form is not None:
        name, inner = form
        return f"{name} form of {inner} ({judge_address(inner) or 'reach it as IPv4 instead'})"
    if ip in _IPV6_GLOBAL:
        return next((reason for network, reason in _IPV6_REFUSED if ip in network), None)
    return next((reason for network, reason in _IPV6_OUTSIDE if ip in network), "outside 2000::/3")


def embedded_address(ip: IPAddress) -> IPv4Address | None:
    """The IPv4 address that a mapped, translated, NAT64, 6to4, Teredo or ISATAP address stands for."""
    form = _form(ip) if isinstance(ip, IPv6Address) else None
    return None if form is None else form[1]


def is_metadata(ip: IPAddress) -> bool:
    """Whether a cloud hands out credentials at `ip`. Such an address is never called, whatever is allowed."""
    inner = embedded_address(ip)
    return any(ip in network for network in _METADATA) or (inner is not None and is_metadata(inner))


def _form(ip: IPv6Address) -> tuple[str, IPv4Address] | None:
    bits = int(ip)
    last = IPv4Address(bits & 0xFFFFFFFF)
    found: tuple[str, IPv4Address] | None = None
    if ip in _MAPPED:
        found = ("IPv4-mapped", last)
    elif ip in _TRANSLATED:
        found = ("IPv4-translated", last)
    elif ip in _COMPATIBLE and bits > 1:
        found = ("IPv4-compatible", last)
    elif ip in _NAT64:
        found = ("NAT64", last)
    elif ip in _NAT64_LOCAL:
        # RFC 6052 section 2.2, the /48 layout: two octets, an empty one, two octets
        high, low = bits >> 64 & 0xFFFF, bits >> 40 & 0xFFFF
        found = ("local NAT64", IPv4Address(high << 16 | low))
    elif ip in _SIX_TO_FOUR:
        found = ("6to4", IPv4Address(bits >> 80 & 0xFFFFFFFF))
    elif ip in _TEREDO:
        found = ("Teredo", IPv4Address(~bits & 0xFFFFFFFF))
    elif bits >> 32 & 0xFFFFFFFF in _ISATAP:
        found = ("ISATAP", last)
    return found
