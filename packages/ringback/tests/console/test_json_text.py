"""JSON is laid out for reading, and stays what it was."""

import json
import re
from html import unescape
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ringback.console._json_text import pretty_json

values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def text_of(laid_out: str) -> str:
    return unescape(re.sub(r'<span class="json-\w+">|</span>', "", laid_out))


def test_it_is_indented_and_coloured() -> None:
    laid_out = pretty_json('{"a":[1,{}],"b":"<x>","c":[]}')
    assert laid_out is not None
    assert '<span class="json-name">&#34;a&#34;</span>: [' in laid_out
    assert text_of(laid_out) == '{\n  "a": [\n    1,\n    {}\n  ],\n  "b": "<x>",\n  "c": []\n}'


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(values.filter(lambda value: isinstance(value, list | dict)))
def test_it_says_the_same_afterwards(value: Any) -> None:
    laid_out = pretty_json(json.dumps(value))
    assert laid_out is not None
    assert json.loads(text_of(laid_out)) == value


def test_every_literal_stays_as_it_was_written() -> None:
    text = '{"n": 1.10, "n": 1e400, "big": 123456789012345678901234567890, "s": "\\u202e\\/"}'
    laid_out = pretty_json(text)
    assert laid_out is not None
    assert "".join(text_of(laid_out).split()) == "".join(text.split())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "{",
        '"text"',
        "1",
        "[" * 4000,
        "[" * 50 + "]" * 50,
        "{'a': 1}",
        "[1]" + " " * 200_000,
        "9" * 9000,
    ],
)
def test_what_is_no_readable_json_is_left_alone(text: str) -> None:
    assert pretty_json(text) is None
