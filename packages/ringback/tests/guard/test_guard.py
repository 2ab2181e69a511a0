"""The gate itself: what a policy lets through, and that nothing else is ever connected to."""

import asyncio
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ringback._addresses import judge_address
from ringback._errors import Blocked, InvalidUrl
from ringback._guard import Guard, NetworkPolicy, Unresolved
from ringback._transport import Failure, FailureReason, Request, Transport
from ringback._urls import literal_address, parse_url

PUBLIC = "93.184.215.14"

MANY = f"{PUBLIC} 1.1.1.1 2606:4700:4700::1111"

# url, answers of its host, addresses that are connected to, in this order
ALLOWED = [
    ("https://www.example.com/webhooks/invoice", PUBLIC, PUBLIC),
    ("http://example.com:8080/", PUBLIC, PUBLIC),
    ("https://localhost.example.com/", PUBLIC, PUBLIC),
    ("https://many.example.com/", MANY, MANY),
    ("https://8.8.8.8/", "", "8.8.8.8"),
    ("https://[2606:4700:4700::1111]:8443/", "", "2606:4700:4700::1111"),
]
INSIDE = """
    127.0.0.1 0.0.0.0 10.0.0.1 100.64.0.1 192.168.1.1 224.0.0.1 169.254.169.254 100.100.100.200
    192.0.0.192 168.63.129.16 [::1] [::] [fd00::1] [fe80::1] [::ffff:127.0.0.1] [64:ff9b::808:808]
    [2002:7f00:1::] [2001:db8::1] [ff02::1] [fd00:ec2::254] [4000::1] localhost foo.localhost
    postgres a.local b.internal c.lan x.test y.onion metadata.google.internal nas.home.arpa z.corp
    example.com:22 example.com:25 example.com:53 example.com:3306 example.com:6379 example.com:6443
    example.com:11211 example.com:27017 example.com:81
"""
BAD_ANSWERS = [
    *(
        "127.0.0.1",
        "::1",
        "0.0.0.0",
        "10.0.0.5",
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
    ),
    *("2002:7f00:1::", "fe80::1%eth0", f"{PUBLIC} 10.0.0.5", f"10.0.0.5 {PUBLIC}", f"{PUBLIC} fd00::5"),
    " ".join(f"93.184.215.{n}" for n in range(1, 50)) + " 192.168.1.5",
]
BLOCKED = [(f"http://{host}/", PUBLIC) for host in INSIDE.split()]
BLOCKED += [("https://www.example.com/", answer) for answer in BAD_ANSWERS]


async def attempt(url: str, names: Any, policy: NetworkPolicy | None = None) -> tuple[Failure, Any]:
    """One request through the whole transport; the witness lets no connect through, so it always fails."""
    resolver = names({parse_url(url).host: names.answer} if names.answer else {})
    transport = Transport(Guard(policy or NetworkPolicy(), resolver))
    try:
        with pytest.raises(Failure) as caught:
            await transport.send(Request("POST", parse_url(url), (), b"{}"), timeout=5)
    finally:
        await transport.close()
    return caught.value, resolver


@pytest.mark.parametrize(("url", "answer", "expected"), ALLOWED)
async def test_public_receivers_are_connected_to_at_their_judged_addresses(
    url: str, answer: str, expected: str, names: Any, connects: list[tuple[str, int]]
) -> None:
    names.answer = answer
    failure, _ = await attempt(url, names)
    assert failure.reason == FailureReason.UNREACHABLE
    assert connects == [(address, parse_url(url).port) for address in expected.split()]


@pytest.mark.parametrize(("url", "answer"), BLOCKED)
async def test_everything_else_is_blocked_before_any_connect(
    url: str, answer: str, names: Any, connects: list[tuple[str, int]]
) -> None:
    names.answer = answer
    failure, _ = await attempt(url, names)
    assert (failure.reason, failure.sent) == (FailureReason.BLOCKED, False)
    assert connects == []


async def test_a_name_is_asked_once_for_each_attempt_and_judged_each_time(
    names: Any, connects: list[tuple[str, int]]
) -> None:
    resolver = names({"rebind.example.com": f"{PUBLIC}|{PUBLIC}|{PUBLIC}|169.254.169.254"})
    transport = Transport(Guard(NetworkPolicy(), resolver))
    reasons = []
    for _ in range(4):
        with pytest.raises(Failure) as caught:
            await transport.send(Request("POST", parse_url("https://rebind.example.com/"), (), b""))
        reasons.append(caught.value.reason)
    await transport.close()
    assert reasons == [FailureReason.UNREACHABLE] * 3 + [FailureReason.BLOCKED]
    assert resolver.asked == ["rebind.example.com"] * 4
    assert connects == [(PUBLIC, 443)] * 3


async def test_few_of_a_thousand_addresses_are_tried(names: Any, connects: list[tuple[str, int]]) -> None:
    names.answer = " ".join(f"93.184.{n // 250}.{n % 250}" for n in range(1000))
    await attempt("https://thousand.example.com/", names)
    assert len(connects) == 8


async def test_a_name_without_an_answer_is_unresolved_and_not_blocked(names: Any) -> None:
    guard = Guard(NetworkPolicy(), names({"empty.example.com": ""}))
    for host in ("nobody.example.com", "empty.example.com"):
        with pytest.raises(Unresolved, match=host):
            await guard.addresses(parse_url(f"https://{host}/"), 1.0)


async def test_a_resolver_that_hangs_ends_at_the_deadline() -> None:
    class Hanging:
        async def resolve(self, host: str) -> Any:
            await asyncio.Event().wait()

    with pytest.raises(Unresolved, match=r"within 0.05 s"):
        await Guard(NetworkPolicy(), Hanging()).addresses(parse_url("https://slow.example.com/"), 0.05)


# ---- settings ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "answer"),
    [
        ("http://127.0.0.1:9000/", ""),
        ("http://localhost:9000/", "127.0.0.1"),
        ("http://localhost:9000/", "::1 127.0.0.1"),
        ("http://receiver:9000/", "127.0.0.7"),
        ("http://receiver.internal:22/", "10.1.2.3"),
        ("http://hooks.example.com:9000/", "10.1.2.3"),
        ("https://www.example.com/", PUBLIC),
    ],
)
async def test_addresses_in_allow_networks_are_exempt_from_ports_https_and_inside_names(
    url: str, answer: str, names: Any
) -> None:
    policy = NetworkPolicy.from_settings(["127.0.0.0/8", " 10.0.0.0/8"], https_only=True)
    parsed = parse_url(url)
    policy.check_url(parsed)
    found = await Guard(policy, names({parsed.host: answer})).addresses(parsed, 1.0)
    assert [str(address) for address in found] == (answer or parsed.host).split()


@pytest.mark.parametrize(
    ("url", "answer"),
    [
        ("http://localhost:9000/", PUBLIC),
        ("http://receiver/", PUBLIC),
        ("https://hooks.example.com:9000/", PUBLIC),
        ("http://www.example.com/", PUBLIC),
        ("http://mixed.example.com/", "127.0.0.1 192.168.0.1"),
        ("http://mixed.example.com:9000/", f"127.0.0.1 {PUBLIC}"),
        ("http://metadata.example.com/", "169.254.169.254"),
        ("http://192.168.0.1/", ""),
        ("http://[::ffff:127.0.0.1]/", ""),
    ],
)
async def test_allow_networks_exempts_nothing_else(url: str, answer: str, names: Any) -> None:
    policy = NetworkPolicy.from_settings(["127.0.0.0/8"], https_only=True)
    with pytest.raises(Blocked):
        await Guard(policy, names({parse_url(url).host: answer})).addresses(parse_url(url), 1.0)


METADATA = """
    169.254.169.254 100.100.100.200 192.0.0.192 168.63.129.16 [fd00:ec2::254] [64:ff9b::a9fe:a9fe]
    [::ffff:169.254.169.254] metadata.google.internal
"""


@pytest.mark.parametrize("host", METADATA.split())
def test_metadata_is_never_allowed_whatever_the_settings(host: str) -> None:
    policy = NetworkPolicy.from_settings(["0.0.0.0/0", "::/0"])
    with pytest.raises(Blocked, match="never"):
        policy.check_url(parse_url(f"http://{host}/"))


def test_an_allowed_translation_prefix_still_does_not_lead_inside() -> None:
    policy = NetworkPolicy.from_settings(["64:ff9b::/96"])
    policy.check_url(parse_url("https://[64:ff9b::808:808]/"))
    with pytest.raises(Blocked):
        policy.check_url(parse_url("https://[64:ff9b::a00:1]/"))


def test_without_allowed_networks_everything_but_the_addresses_is_judged_without_a_lookup() -> None:
    policy = NetworkPolicy(https_only=True)
    for url in ("https://postgres/", "https://a.internal/", "https://example.com:22/", "http://example.com/"):
        with pytest.raises(Blocked):
            policy.check_url(parse_url(url))
    policy.check_url(parse_url("https://example.com:8443/"))


@pytest.mark.parametrize(
    ("settings_", "host", "blocked"),
    [
        ({"deny_hosts": ["Evil.example.com"]}, "evil.example.com", True),
        ({"deny_hosts": ["evil.example.com"]}, "other.example.com", False),
        ({"deny_hosts": ["*.example.com"]}, "a.b.example.com", True),
        ({"deny_hosts": ["*.example.com"]}, "example.com", False),
        ({"deny_hosts": ["*.example.com"]}, "badexample.com", False),
        ({"deny_hosts": ["2606:4700::1"]}, "[2606:4700:0::1]", True),
        ({"allow_hosts": ["hooks.example.com"]}, "hooks.example.com", False),
        ({"allow_hosts": ["hooks.example.com"]}, "www.example.com", True),
        ({"allow_hosts": ["*.example.com"], "deny_hosts": ["bad.example.com"]}, "bad.example.com", True),
        ({"allow_hosts": ["hooks.example.com"], "allow_networks": ["127.0.0.0/8"]}, "127.0.0.1", True),
    ],
)
def test_lists_of_hosts_narrow_what_may_be_called(settings_: Any, host: str, blocked: bool) -> None:
    policy = NetworkPolicy.from_settings(**settings_)
    url = parse_url(f"https://{host}/")
    if blocked:
        with pytest.raises(Blocked, match="hosts"):
            policy.check_url(url)
    else:
        policy.check_url(url)


@pytest.mark.parametrize("text", ["10.0.0.1/8", "localhost", "10.0.0.0/99", ""])
def test_a_network_that_is_none_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(ValueError, match="allow_networks"):
        NetworkPolicy.from_settings([text])


def test_the_reason_says_what_and_why() -> None:
    with pytest.raises(Blocked) as caught:
        NetworkPolicy().check_url(parse_url("http://10.0.0.1/"))
    assert "10.0.0.1 is not a public address (private, RFC 1918)" in caught.value.reason
    assert "allow_networks" in caught.value.reason


# ---- the property -----------------------------------------------------------------------------------------

HOSTS = "example.com a.b.example.com localhost 10.0.0.1 [::1] 8.8.8.8 [2606:4700::1] 127.1 x.internal"
ANY_HOST = st.sampled_from(HOSTS.split()) | st.from_regex(r"[a-z0-9.\[\]:x-]{1,20}", fullmatch=True)
SOME = st.sampled_from([ip_address(text) for text in (PUBLIC, "1.1.1.1", "2606:4700::1", "10.0.0.1")])
ANSWERS = st.lists(st.ip_addresses() | SOME, min_size=1, max_size=4)
PORTS = st.sampled_from(["", ":443", ":8080", ":22", ":9"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["http", "https"]), ANY_HOST, PORTS, ANSWERS)
def test_if_anything_is_connected_to_it_is_public(
    connects: list[tuple[str, int]], scheme: str, host: str, port: str, answers: list[Any]
) -> None:
    class Answers:
        async def resolve(self, _: str) -> list[Any]:
            return answers

    async def run() -> FailureReason:
        transport = Transport(Guard(NetworkPolicy(), Answers()))
        with pytest.raises(Failure) as caught:
            await transport.send(Request("POST", url, (), b"{}"), timeout=5)
        await transport.close()
        return caught.value.reason

    connects.clear()
    try:
        url = parse_url(f"{scheme}://{host}{port}/hook")
    except InvalidUrl:
        return
    reason = asyncio.run(run())
    assert (reason == FailureReason.BLOCKED) == (not connects)
    expected = [literal] if (literal := literal_address(url.host)) else answers
    for address, connected_port in connects:
        assert judge_address(ip_address(address)) is None
        assert ip_address(address) in expected
        assert connected_port in {80, 443, 8080, 8443}


COMMON = NetworkPolicy.from_settings(
    ["10.0.0.0/8"],
    ports=(443, 9000),
    allow_hosts=["*.example.com", "api.example.org"],
    deny_hosts=["a.example.com"],
)


@pytest.mark.parametrize(
    ("own", "url", "address", "allowed"),
    [
        ({}, "https://b.example.com/", PUBLIC, True),
        ({}, "https://a.example.com/", PUBLIC, False),
        ({}, "https://b.example.com:9000/", PUBLIC, False),  # the owner's ports are the usual ones
        ({"ports": (9000,)}, "https://b.example.com:9000/", PUBLIC, True),
        ({"ports": (9000, 22)}, "https://b.example.com:22/", PUBLIC, False),
        ({"https_only": True}, "http://b.example.com:443/", PUBLIC, False),
        ({"deny_hosts": ["b.example.com"]}, "https://b.example.com/", PUBLIC, False),
        ({"allow_hosts": ["*.b.example.com"]}, "https://x.b.example.com/", PUBLIC, True),
        ({"allow_hosts": ["*.b.example.com"]}, "https://c.example.com/", PUBLIC, False),
        ({"allow_hosts": ["*.example.org"]}, "https://api.example.org/", PUBLIC, True),
        ({"allow_hosts": ["*.example.org"]}, "https://www.example.org/", PUBLIC, False),
        ({"allow_hosts": ["example.net"]}, "https://example.net/", PUBLIC, False),  # no host meets both
        ({"allow_hosts": ["example.net"]}, "https://b.example.com/", PUBLIC, False),
        ({}, "http://b.example.com:22/", "10.0.0.1", True),
        ({}, "https://b.example.com/", "192.168.0.1", False),
        ({"allow_networks": ["192.168.0.0/16"]}, "http://b.example.com:22/", "192.168.0.1", True),
        ({"allow_networks": ["192.168.0.0/16"]}, "http://b.example.com:22/", "10.0.0.1", True),
        ({"allow_networks": ["0.0.0.0/0"]}, "https://b.example.com/", "169.254.169.254", False),
    ],
)
def test_an_owners_rules_add_networks_and_take_the_rest_away(
    own: dict[str, Any], url: str, address: str, allowed: bool
) -> None:
    policy = COMMON.joined(NetworkPolicy.from_settings(**own))
    try:
        policy.check_url(parse_url(url))
        policy.check_address(parse_url(url), ip_address(address))
    except Blocked:
        assert not allowed
    else:
        assert allowed
