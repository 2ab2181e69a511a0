"""Threats t01 to t03: the corpus of hostile URLs against the grammar, the guard and the whole transport.

`test_kernel.py` is the third level: the same rows, a real worker, and the packets that leave it.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from ipaddress import ip_address

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from testkit.connects import Connects, recorded_connects
from testkit.corpus import Row, read_corpus

from ringback._addresses import judge_address
from ringback._errors import Blocked, InvalidUrl
from ringback._guard import Guard, NetworkPolicy, Unresolved
from ringback._message import encode_head
from ringback._transport import Failure, FailureReason, Request, Transport
from ringback._urls import IPAddress, literal_address, parse_url

CORPUS = read_corpus()
GROUPS = list(dict.fromkeys(row.group for row in CORPUS))
MOST_TRIED = 8


class Answers:
    """A resolver that answers as the row says, the last answer for ever, and counts the questions."""

    def __init__(self, row: Row) -> None:
        self._rounds = list(row.answers)
        self.asked: list[str] = []

    async def resolve(self, host: str) -> Sequence[IPAddress]:
        self.asked.append(host)
        if not self._rounds:
            raise Unresolved(f"the name {host} has no address")
        answer = self._rounds.pop(0) if len(self._rounds) > 1 else self._rounds[0]
        return [ip_address(text) for text in answer]


def rows_of(group: str) -> list[Row]:
    return [row for row in CORPUS if row.group == group]


@pytest.fixture
def connects() -> Iterator[Connects]:
    with recorded_connects() as found:
        yield found


def test_t01_the_corpus_covers_what_it_is_meant_to() -> None:
    assert len(CORPUS) >= 300
    assert Counter(row.allowed for row in CORPUS)[True] >= 40
    assert len({row.url for row in CORPUS}) == len(CORPUS)


@pytest.mark.parametrize("group", GROUPS)
async def test_t01_level_1_the_classifier_agrees_with_every_row(group: str) -> None:
    wrong = []
    for row in rows_of(group):
        try:
            url = parse_url(row.url)
            await Guard(NetworkPolicy(), Answers(row)).addresses(url, 1.0)
            allowed = True
        except (InvalidUrl, Blocked, Unresolved):
            allowed = False
        if allowed != row.allowed:
            wrong.append(str(row))
    assert wrong == []


@pytest.mark.parametrize("group", GROUPS)
async def test_t01_level_2_the_transport_connects_to_judged_addresses_and_to_nothing_else(
    group: str, connects: Connects
) -> None:
    wrong = []
    for row in rows_of(group):
        connects.clear()
        transport = Transport(Guard(NetworkPolicy(), Answers(row)))
        with pytest.raises((InvalidUrl, Failure)) as caught:
            await transport.send(Request("POST", parse_url(row.url), (), b"{}"), timeout=5)
        await transport.close()
        reached = getattr(caught.value, "reason", None) == FailureReason.UNREACHABLE
        if (reached, connects) != (row.allowed, expected_connects(row)):
            wrong.append((str(row), connects.copy()))
    assert wrong == []


def expected_connects(row: Row) -> Connects:
    """What an allowed row connects to, in this order: everything that its name answered first."""
    if not row.allowed:
        return []
    url = parse_url(row.url)
    literal = literal_address(url.host)
    addresses = [str(literal)] if literal is not None else list(row.answers[0])
    return [(address, url.port) for address in addresses[:MOST_TRIED]]


async def test_t02_a_name_that_answers_anything_bad_is_not_connected_to_at_all(connects: Connects) -> None:
    mixed = [row for row in CORPUS if not row.allowed and row.answers and len(row.answers[0]) > 1]
    assert len(mixed) >= 4
    for row in mixed:
        with pytest.raises(Blocked):
            await Guard(NetworkPolicy(), Answers(row)).addresses(parse_url(row.url), 1.0)
    assert connects == []


async def test_t03_a_name_is_asked_once_for_an_attempt_and_a_later_bad_answer_is_refused(
    connects: Connects,
) -> None:
    rebinding = Row(0, "", True, "https://rebind.example.com/", (("93.184.215.14",), ("169.254.169.254",)))
    answers = Answers(rebinding)
    transport = Transport(Guard(NetworkPolicy(), answers))
    reasons = []
    for _ in range(3):
        with pytest.raises(Failure) as caught:
            await transport.send(Request("POST", parse_url(rebinding.url), (), b"{}"), timeout=5)
        reasons.append(caught.value.reason)
    await transport.close()
    assert reasons == [FailureReason.UNREACHABLE, FailureReason.BLOCKED, FailureReason.BLOCKED]
    assert connects == [("93.184.215.14", 443)]
    assert len(answers.asked) == 3


NASTY = st.sampled_from(
    [*"\r\n\t \0#@:\\/?%[].,;&=0x127\u3002\uff0f", "%0d%0a", "@127.0.0.1", "169.254.169.254"]
)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A row of the corpus with a few pieces put in, taken out or exchanged for those of another row."""
    text = draw(st.sampled_from(CORPUS)).url[:300]
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 8)))
        text = text[:start] + draw(NASTY | st.just(draw(st.sampled_from(CORPUS)).url[7:20])) + text[end:]
    return text


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mutated(), st.lists(st.ip_addresses() | st.just(ip_address("93.184.215.14")), min_size=1, max_size=3))
def test_t01_t17_whatever_is_accepted_is_connected_to_in_public_and_asked_for_in_one_line(
    connects: Connects, text: str, answers: list[IPAddress]
) -> None:
    row = Row(0, "", True, text, (tuple(map(str, answers)),))
    connects.clear()

    async def attempt() -> bytes:
        request = Request("POST", parse_url(text), (), b"{}")
        transport = Transport(Guard(NetworkPolicy(), Answers(row)))
        with pytest.raises(Failure):
            await transport.send(request, timeout=5)
        await transport.close()
        return encode_head(request)

    try:
        head = asyncio.run(attempt())
    except InvalidUrl:
        assert connects == []
        return
    for address, port in connects:
        assert judge_address(ip_address(address)) is None
        assert port in {80, 443, 8080, 8443}
    line, *fields, empty, rest = head.split(b"\r\n")
    assert line.count(b" ") == 2
    assert line.startswith(b"POST /")
    assert line.endswith(b" HTTP/1.1")
    assert (empty, rest) == (b"", b"")
    assert [field.partition(b":")[0].lower() for field in fields].count(b"host") == 1
    assert not set(head) & set(b"\0\t")
