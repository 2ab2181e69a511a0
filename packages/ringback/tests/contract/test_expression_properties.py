"""Whatever the data: a callback's URL keeps the base's scheme, host and port and the key's segments."""

import contextlib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ringback._errors import InvalidExpression, UnusableValue
from ringback._expressions import parse_template
from ringback._types import Exchange
from ringback._urls import Url, parse_url

HOSTILE = [
    *("..", ".", "/", "//evil.org", "@evil.org", "\\", "?x=1", "#y", "%2e%2e", "\r\nHost: evil", "\x00", ";"),
    *(":80", "http://evil.org", "%", "%0d%0a", "{x}", "%7bx%7d", "é", "\u202e", "＠", "．．", "a" * 512),
]
data = st.one_of(
    st.text(),
    st.sampled_from(HOSTILE),
    st.lists(st.sampled_from(HOSTILE), min_size=2, max_size=4).map("".join),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.none(),
    st.lists(st.text()),
)
hosts = st.sampled_from(["a.org", "b.example:8443", "[2001:db8::1]", "192.0.2.1:80"])
paths = st.lists(st.sampled_from(["a", "b%20c", "%2F", "x.y", ""]), max_size=3).map("/".join)
queries = st.sampled_from(["", "?", "?q=1", "?q=%2F&r"])
bases = st.builds(
    "{}://{}{}{}".format,
    st.sampled_from(["http", "https"]),
    hosts,
    paths.map(lambda p: f"/{p}" if p else ""),
    queries,
)
keys = st.sampled_from(
    [
        "{$request.query.u}/invoices/{$request.body#/v}",
        "{$request.query.u}/{$request.body#/v}/x/{$request.body#/w}",
        "{$request.query.u}/a{$request.body#/v}{$request.body#/w}z?p={$request.body#/v}",
        "{$request.query.u}?p={$request.body#/v}&q={$request.body#/w}",
        "https://fixed.example/h/{$request.body#/v}?w={$request.body#/w}",
    ]
)


@given(keys, bases, data, data)
def test_no_value_changes_scheme_host_port_or_the_number_of_segments(
    key: str, base: str, v: Any, w: Any
) -> None:
    template = parse_template(key)

    def evaluate(v: Any, w: Any) -> Url | None:
        return template.evaluate(Exchange(query={"u": base}, body={"v": v, "w": w}))

    plain = evaluate("x", "x")
    assert plain is not None
    try:
        url = evaluate(v, w)
    except UnusableValue:
        return
    assert url is not None
    again = parse_url(str(url))
    assert again == url
    assert (url.scheme, url.host, url.port) == (plain.scheme, plain.host, plain.port)
    assert url.path.count("/") == plain.path.count("/")
    assert (url.query or "").count("&") == (plain.query or "").count("&")
    assert (url.query is None) == (plain.query is None)
    assert str(url).isascii()
    assert str(url).isprintable()


@given(st.text())
def test_no_text_as_base_gives_anything_but_itself(text: str) -> None:
    template = parse_template("$request.query.u")
    with contextlib.suppress(UnusableValue):
        url = template.evaluate(Exchange(query={"u": text}))
        assert url is not None
        assert str(url).lower().rstrip("/") == text.lower().rstrip("/")


tokens = st.sampled_from(
    [
        *(
            "$",
            "{",
            "}",
            "request",
            "response",
            ".",
            "body",
            "#",
            "/",
            "query",
            "header",
            "path",
            "url",
            "~0",
        ),
        *(
            "~",
            "statusCode",
            "id",
            "http://",
            "https://a.org",
            "?",
            "&",
            "%2e",
            "..",
            " ",
            "\n",
            "é",
            ":",
            "x",
        ),
    ]
)


@given(st.one_of(st.text(), st.lists(tokens, max_size=14).map("".join)))
def test_the_parser_either_reads_a_key_or_says_what_is_wrong(text: str) -> None:
    try:
        template = parse_template(text, parameters=[("query", "x"), ("path", "id")])
    except InvalidExpression:
        return
    published = parse_template(template.published)
    assert published.published == template.published
    assert published.sources == tuple(
        type(s)(s.message, s.place, s.name, s.pointer, str(s)) for s in template.sources
    )


@given(st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="{}"), min_size=0)))
def test_every_pointer_finds_its_value(path: list[str]) -> None:
    pointer = "".join("/" + token.replace("~", "~0").replace("/", "~1") for token in path)
    body: Any = "found"
    for token in reversed(path):
        body = {token: body}
    source = parse_template(f"{{$request.query.u}}/{{$request.body#{pointer}}}").sources[1]
    assert source.pointer == tuple(path)
    assert source.read(Exchange(body=body)) == "found"
