"""Keys of callbacks: the grammar, the tutorial's dialect, and the rules of evaluation."""

from typing import Any

import pytest

from ringback._errors import InvalidExpression, UnusableValue
from ringback._expressions import fill, parse_template
from ringback._types import Exchange
from ringback._urls import parse_url

PARAMETERS = [
    ("query", "callback_url"),
    ("query", "u"),
    ("path", "p"),
    ("header", "x-callback"),
    ("cookie", "c"),
]
TUTORIAL = "{$callback_url}/invoices/{$request.body.id}"
FIXED = "{$request.query.callback_url}/invoices/{$request.body#/id}"


def evaluate(key: str, exchange: Exchange) -> str | None:
    url = parse_template(key, parameters=PARAMETERS).evaluate(exchange)
    return None if url is None else str(url)


BASE = "https://www.external.org/events"


def called(base: Any = BASE, body: object = None, /, **more: Any) -> Exchange:
    return Exchange(query={"callback_url": base, "u": base}, body=body, **more)


@pytest.mark.parametrize("key", [FIXED, TUTORIAL])
@pytest.mark.parametrize(
    ("url", "id_", "expected"),
    [
        (
            "https://www.external.org/events",
            "2expen51ve",
            "https://www.external.org/events/invoices/2expen51ve",
        ),
        (
            "https://www.external.org/events/",
            "2expen51ve",
            "https://www.external.org/events/invoices/2expen51ve",
        ),
        ("https://www.external.org", "2expen51ve", "https://www.external.org/invoices/2expen51ve"),
        ("https://www.external.org/e?tenant=7", "2", "https://www.external.org/e/invoices/2?tenant=7"),
        ("https://a.org/e?", "2", "https://a.org/e/invoices/2?"),
        ("https://a.org/e//", "2", "https://a.org/e/invoices/2"),
        ("http://a.org:8080/e", "2", "http://a.org:8080/e/invoices/2"),
        ("https://[2001:db8::1]:8443/e", "2", "https://[2001:db8::1]:8443/e/invoices/2"),
        ("HTTPS://A.org/E", "2", "https://a.org/E/invoices/2"),
        (
            "https://a.org/e",
            "a/../../admin?x=1#y",
            "https://a.org/e/invoices/a%2F..%2F..%2Fadmin%3Fx%3D1%23y",
        ),
        ("https://a.org/e", "café 100%", "https://a.org/e/invoices/caf%C3%A9%20100%25"),
        ("https://a.org/e", "\r\nHost: evil", "https://a.org/e/invoices/%0D%0AHost%3A%20evil"),
        ("https://a.org/e", "%2e%2e", "https://a.org/e/invoices/%252e%252e"),
        ("https://a.org/e", "...", "https://a.org/e/invoices/..."),
        ("https://a.org/e", "\\", "https://a.org/e/invoices/%5C"),
        ("https://a.org/e", "a" * 512, "https://a.org/e/invoices/" + "a" * 512),
        ("https://a.org/e", 42, "https://a.org/e/invoices/42"),
        ("https://a.org/e", -1.5, "https://a.org/e/invoices/-1.5"),
        ("https://a.org/e", True, "https://a.org/e/invoices/true"),
    ],
)
def test_data_is_encoded_and_joined_with_one_slash(key: str, url: str, id_: object, expected: str) -> None:
    assert evaluate(key, called(url, {"id": id_})) == expected


@pytest.mark.parametrize("key", [FIXED, TUTORIAL])
@pytest.mark.parametrize(
    "url",
    [
        "https://www.external.org/events#frag",
        "https://u:p@www.external.org/events",
        "https://www.external.org@evil.org/",
        "//evil/x",
        "/relative",
        "https:www.external.org",
        "https:///a",
        "https://a.org\\@b.org",
        "https://a.org/e\r\nX: y",
        "https://a.org/e x",
        "https://a.org/\te",
        "ftp://a.org/",
        "javascript:alert(1)",
        "https://",
        "https://a.org:99999/",
        "https://a.org/a/../b",
        "https://a.org/%2e%2e/b",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://ａ.org/",
        "",
        "https://a.org/" + "x" * 2048,
        7,
        True,
        {"a": 1},
        ["https://a.org", "https://b.org"],
    ],
)
def test_a_base_that_is_no_plain_url_is_refused_with_its_source(key: str, url: object) -> None:
    with pytest.raises(UnusableValue) as caught:
        evaluate(key, called(url, {"id": "1"}))
    assert caught.value.source == "$request.query.callback_url"


@pytest.mark.parametrize(
    ("id_", "reason"),
    [
        ("..", "dot segment"),
        (".", "dot segment"),
        ("", "empty"),
        (None, "is null"),
        ({"a": 1}, "an object"),
        (["a"], "a list"),
        (float("nan"), "no JSON"),
        (float("inf"), "no JSON"),
        ("a" * 513, "513 characters"),
        (10**600, "512 digits"),
        ("\ud800", "surrogate"),
    ],
)
def test_data_that_cannot_be_one_segment_is_refused_with_the_reason(id_: object, reason: str) -> None:
    with pytest.raises(UnusableValue, match=reason) as caught:
        evaluate(FIXED, called(BASE, {"id": id_}))
    assert caught.value.source == "$request.body#/id"


@pytest.mark.parametrize("body", [None, {}, [], "text", {"ID": "1"}])
def test_an_absent_part_of_the_path_is_an_error(body: object) -> None:
    with pytest.raises(UnusableValue, match="not given"):
        evaluate(FIXED, called(BASE, body))


@pytest.mark.parametrize("exchange", [Exchange(), Exchange(query={"callback_url": []}), called(None)])
def test_without_a_base_there_is_nobody_to_call(exchange: Exchange) -> None:
    assert evaluate(FIXED, exchange) is None


def test_a_long_path_is_refused_and_not_cut() -> None:
    with pytest.raises(UnusableValue, match="at most 2048"):
        evaluate(FIXED, called("https://a.org/" + "x" * 1800, {"id": "y" * 400}))


@pytest.mark.parametrize(
    ("key", "exchange", "expected"),
    [
        ("$request.query.callback_url", called("https://a.org/e?x=1"), "https://a.org/e?x=1"),
        ("{$request.query.callback_url}", called("https://a.org/e/?x=[1]"), "https://a.org/e/?x=[1]"),
        ("$callback_url", called("https://a.org/e"), "https://a.org/e"),
        (
            "{$request.body#/hooks/0/url}",
            called(BASE, {"hooks": [{"url": "https://b.org/x"}]}),
            "https://b.org/x",
        ),
        (
            "{$request.query.u}?id={$request.body#/id}",
            called("https://a.org/e?x=1", {"id": "a b"}),
            "https://a.org/e?x=1&id=a%20b",
        ),
        (
            "{$request.query.u}/?a=b&id={$request.body#/id}",
            called("https://a.org/e", {"id": "&="}),
            "https://a.org/e/?a=b&id=%26%3D",
        ),
        ("{$request.query.u}?", called("https://a.org/e?x"), "https://a.org/e?x&"),
        (
            "https://notify.example/hook?tx={$request.body#/id}",
            called(BASE, {"id": "1&admin=1"}),
            "https://notify.example/hook?tx=1%26admin%3D1",
        ),
        (
            "https://notify.example:8443/{$request.body#/id}",
            called(BASE, {"id": "1"}),
            "https://notify.example:8443/1",
        ),
        ("https://notify.example", called(), "https://notify.example/"),
        (
            "{$request.query.u}/p/{$request.body#/a~0b~1c/1}",
            called("https://a.org/e", {"a~b/c": ["x", "y"]}),
            "https://a.org/e/p/y",
        ),
        (
            "{$request.query.u}/{$request.path.p}",
            called("https://a.org", path={"p": "é"}),
            "https://a.org/%C3%A9",
        ),
        (
            "{$request.header.x-callback}/x",
            Exchange(headers={"X-Callback": "https://a.org"}),
            "https://a.org/x",
        ),
        ("{$x_callback}/x", Exchange(headers={"X-Callback": "https://a.org"}), "https://a.org/x"),
        (
            "{$request.query.u}/{$method}/{$statusCode}",
            called("https://a.org", method="POST", status_code=201),
            "https://a.org/POST/201",
        ),
        (
            "{$request.query.u}/{$url}",
            called("https://a.org", url="https://me/x?y"),
            "https://a.org/https%3A%2F%2Fme%2Fx%3Fy",
        ),
        (
            "{$request.query.u}/{$response.body#/id}",
            called("https://a.org", response={"id": 5}),
            "https://a.org/5",
        ),
        (
            "{$request.query.u}/{$response.body.id}",
            called("https://a.org", response={"id": 5}),
            "https://a.org/5",
        ),
        (
            "{$request.query.u}/{$response.header.Location}",
            called("https://a.org", response_headers={"location": "x"}),
            "https://a.org/x",
        ),
        (
            "{$request.query.u}/a-{$request.body#/id}.json",
            called("https://a.org", {"id": ".."[:1] + "x"}),
            "https://a.org/a-.x.json",
        ),
        ("/pre{$request.query.u}/x", called("https://a.org/e"), "https://a.org/e/pre/x"),
        ("/{$request.query.u}/x", called("https://a.org/e"), "https://a.org/e/x"),
        ("/a/b{$request.query.u}", called("https://a.org/e"), "https://a.org/e/a/b"),
    ],
)
def test_each_form_of_a_key_gives_its_url(key: str, exchange: Exchange, expected: str) -> None:
    assert evaluate(key, exchange) == expected


@pytest.mark.parametrize(
    ("key", "published"),
    [
        (TUTORIAL, FIXED),
        (FIXED, FIXED),
        ("$callback_url", "$request.query.callback_url"),
        ("{$u}/{$p}/{$request.body.a.b}", "{$request.query.u}/{$request.path.p}/{$request.body#/a/b}"),
        ("{$u}/{$request.body.a~b}", "{$request.query.u}/{$request.body#/a~0b}"),
        ("{$x_callback}/x", "{$request.header.x-callback}/x"),
        ("/pre{$u}/x/{kind}", "{$request.query.u}/pre/x/{kind}"),
        ("{$request.body#}/x", "{$request.body}/x"),
    ],
)
def test_a_key_is_published_in_the_grammar_of_openapi(key: str, published: str) -> None:
    template = parse_template(key, parameters=PARAMETERS)
    assert template.published == published
    assert template.declared == key
    assert parse_template(published, parameters=PARAMETERS).published == published


@pytest.mark.parametrize(
    "source",
    [
        *("$url", "$method", "$statusCode", "$request.body", "$request.body#/id", "$request.body#"),
        *(
            "$request.header.X-Cb",
            "$request.header.!#$%&'*+.^_`|~",
            "$request.query.a/b",
            "$request.query.été",
        ),
        *("$request.path.id", "$response.body#/a~1b/0", "$response.header.Location", "$request.body#/a b"),
        *("$request.body#/", "$request.body#//x"),
    ],
)
def test_the_grammar_of_the_specification_is_accepted(source: str) -> None:
    parse_template(f"{{$request.query.u}}/{{{source}}}")


@pytest.mark.parametrize(
    ("source", "advice"),
    [
        ("$nobody", r"\$request\.query\.nobody"),
        ("$calback_url", r"Did you mean \$request\.query\.callback_url\?"),
        ("$request.callback_url", r"\$request\.query\.callback_url"),
        ("$request.quary.x", r"Did you mean \$request\.query\.x\?"),
        ("$request.body#id", r"Write \$request\.body#/id"),
        ("$request.body#/a~2", "JSON Pointer|runtime expression"),
        ("$request.cookie.sid", "cookies cannot be read"),
        ("$c", "cookies cannot be read"),
        ("$REQUEST.BODY", r"Write \$request\.body"),
        ("$Request.Query.u", r"Write \$request\.query\.u"),
        ("$statuscode", "runtime expression"),
        ("$url/x", "runtime expression"),
        ("$request.query.", "runtime expression"),
        ("$request.header.a b", "runtime expression"),
        ("$request", "runtime expression"),
        ("$request.body.", "runtime expression"),
        ("$request.body..a", "runtime expression"),
        ("$response.query.x", "a response has no query"),
        ("$response.path.x", "a response has no query"),
        ("$request.query.a\x07", "runtime expression"),
        ("$", "runtime expression"),
    ],
)
def test_what_is_no_expression_is_refused_with_the_likely_correction(source: str, advice: str) -> None:
    with pytest.raises(InvalidExpression, match=advice):
        parse_template(f"{{$request.query.u}}/{{{source}}}", parameters=PARAMETERS)


@pytest.mark.parametrize(
    ("key", "advice"),
    [
        ("", "empty"),
        ("{$request.query.callback_url}x", "part of its host"),
        ("{$request.query.u}{$request.body#/id}", "part of its host"),
        ("{$request.query.u}:8080/x", "part of its host"),
        ("{$request.query.u}@evil.org/", "part of its host"),
        ("https://{$request.body#/id}.example/", "which host"),
        ("https://a.example{$request.body#/id}/", "which host"),
        ("https://u@a.example/", "user name"),
        ("https://127.1/", "IPv4"),
        ("{callback_url}/x", "takes its host from"),
        ("invoices/{$request.query.u}", "which host"),
        ("nonsense", "which host"),
        ("//a.org/x", "which host"),
        ("{$request.query.u}/x#y", "fragment"),
        ("{$request.query.u}/a b", "Percent-encode it, as %20"),
        ("{$request.query.u}/é", "%C3%A9"),
        ("{$request.query.u}/a\\b", "%5C"),
        ("{$request.query.u}/../x", "dot segment"),
        ("{$request.query.u}/%2e%2E/x", "dot segment"),
        ("{$request.query.u}//x", "two slashes"),
        ("{$request.query.u}/{x", "never closed"),
        ("{$request.query.u}/}", "%7D"),
        ("{$request.query.u}/{}", "neither an expression"),
        ("{$request.query.u}/{x:path}", r"Write \{x\}"),
        ("$request.query.u/invoices", r"Write \{\$request\.query\.u\}/invoices"),
        ("$request.query.u}x", "braces"),
        ("$request.query.{u}", "braces"),
    ],
)
def test_a_key_that_cannot_give_a_url_is_refused_with_the_correction(key: str, advice: str) -> None:
    with pytest.raises(InvalidExpression, match=advice):
        parse_template(key, parameters=PARAMETERS)


def test_a_name_that_stands_in_two_places_must_be_written_out() -> None:
    with pytest.raises(InvalidExpression, match=r"\$request\.path\.x or \$request\.query\.x"):
        parse_template("{$x}/y", parameters=[("query", "x"), ("path", "x")])


def test_a_repeated_header_is_an_error_whatever_its_case() -> None:
    exchange = Exchange(headers={"X-Callback": "https://a.org", "x-callback": "https://b.org"})
    with pytest.raises(UnusableValue, match="2 times"):
        evaluate("{$request.header.x-callback}/x", exchange)


def test_a_response_that_was_not_passed_is_named_with_how_to_pass_it() -> None:
    template = parse_template("{$request.query.u}/{$response.body#/id}")
    assert template.needs_response
    with pytest.raises(UnusableValue, match=r"bind\(\.\.\., response=\.\.\.\)"):
        template.evaluate(called())


def test_path_parameters_of_the_callback_are_filled_from_the_right() -> None:
    template = parse_template(
        "{$request.query.u}/{kind}/{$request.body#/id}/{kind}?k={q}", parameters=PARAMETERS
    )
    bound = template.evaluate(called("https://a.org/%7bkind%7d?a=%7bq%7d", {"id": "{kind}%7bkind%7d"}))
    assert bound is not None
    filled = fill(parse_url(str(bound)), {"kind": "paid/now", "q": "&"}, template)
    assert str(filled) == (
        "https://a.org/%7bkind%7d/paid%2Fnow/%7Bkind%7D%257bkind%257d/paid%2Fnow?a=%7bq%7d&k=%26"
    )


@pytest.mark.parametrize("value", ["", ".", "..", "x" * 513])
def test_a_path_parameter_is_data_too(value: str) -> None:
    template = parse_template("{$request.query.u}/{kind}")
    bound = template.evaluate(called("https://a.org"))
    assert bound is not None
    with pytest.raises(UnusableValue):
        fill(bound, {"kind": value}, template)
