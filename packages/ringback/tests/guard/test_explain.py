"""What an operator is told about a URL, step by step."""

from typing import Any

import pytest

from ringback._explain import explain
from ringback._guard import Guard, NetworkPolicy


@pytest.mark.parametrize(
    ("url", "answer", "passed", "last"),
    [
        ("https://www.example.com/", "93.184.215.14 1.1.1.1", [True] * 5, "allowed"),
        ("https://8.8.8.8/", "", [True, True], "nothing rules it out"),
        ("https://www.example.com/#x", "", [False], "fragment"),
        ("https://10.0.0.1/", "", [True, False], "RFC 1918"),
        ("https://www.example.com:22/", "", [True, False], "port 22"),
        ("https://www.example.com/", "", [True, True, False], "no address"),
        ("https://www.example.com/", "10.0.0.1 1.1.1.1", [True, True, True, False, True], "allowed"),
    ],
)
async def test_each_step_says_whether_it_passed_and_why(
    url: str, answer: str, passed: list[bool], last: str, names: Any
) -> None:
    steps = await explain(Guard(NetworkPolicy(), names({"www.example.com": answer})), url)
    assert [step.passed for step in steps] == passed
    assert last in steps[-1].answer
