"""Threats t01 to t03: the corpus of hostile URLs against the grammar, the guard and the whole transport.

`test_kernel.py` is the third level: the same rows, a real worker, and the packets that leave it.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from ipaddress import ip_address

import pytest
from testkit.connects import Connects, recorded_connects
from testkit.corpus import Row, read_corpus

from ringback._errors import Blocked, InvalidUrl
from ringback._guard import Guard, NetworkPolicy, Unresolved
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
