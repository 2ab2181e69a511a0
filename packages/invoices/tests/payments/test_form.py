"""Stripe's form encoding."""

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st
from stripe._encode import _api_encode  # the SDK's own encoder is the judge of ours

from invoices.payments.sandbox.form import MAX_DEPTH, MAX_FIELDS, MalformedForm, parse_form

_NAMES = st.text(st.characters(codec="ascii", categories=["Lu", "Ll"]), min_size=1, max_size=8)
_VALUES = st.recursive(
    st.text(st.characters(codec="utf-8"), max_size=20),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3) | st.dictionaries(_NAMES, inner, min_size=1, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(_NAMES, _VALUES, max_size=4))
def test_reads_what_the_sdk_writes(value: dict[str, object]) -> None:
    from urllib.parse import urlencode

    assert stripe.VERSION
    pairs = list(_api_encode(value))
    if len(pairs) > MAX_FIELDS or any(name.count("[") >= MAX_DEPTH for name, _ in pairs):
        return
    assert parse_form(urlencode(pairs).encode()) == value


@pytest.mark.parametrize(
    "body",
    [
        b"a=1&a=2",
        b"a=1&a[b]=2",
        b"a[b]=1&a=2",
        b"[a]=1",
        b"a[b=1",
        b"a]b=1",
        b"a[[b]]=1",
        b"=1",
        b"a[b][c][d][e][f][g]=1",
        b"a=%ff",
        b"a=\xff",
        "&".join(f"a{n}=1" for n in range(MAX_FIELDS + 1)).encode(),
    ],
)
def test_refuses_what_means_nothing(body: bytes) -> None:
    with pytest.raises(MalformedForm):
        parse_form(body)


def test_a_group_that_does_not_count_from_zero_is_no_list() -> None:
    assert parse_form(b"a[1]=x&a[0]=y") == {"a": {"1": "x", "0": "y"}}
    assert parse_form(b"a[0]=x&a[1]=y") == {"a": ["x", "y"]}
    assert parse_form(b"a[]=x&a[]=y") == {"a": ["x", "y"]}
