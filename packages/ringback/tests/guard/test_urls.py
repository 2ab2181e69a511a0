"""The URL grammar: what is kept byte for byte, and what two parsers could read differently."""

from collections.abc import Callable

import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st

from ringback._errors import InvalidUrl
from ringback._urls import MAX_URL_LENGTH, Url, _parse_closely, is_inside_name, literal_address, parse_url

LABEL63 = "a" * 63


@pytest.mark.parametrize(
    "text",
    [
        "https://www.external.org/events/invoices/2expen51ve",
        "http://example.com/",
        "https://example.com:443/",
        "http://example.com:8080/?",
        "https://example.com/v1/cb?tenant=42&sig=a%2Bb%3D&ids[]=1",
        "https://example.com/?u=//169.254.169.254/&x=http://a@b/",
        "https://example.com/@user:pw/hook;a=b,c!$&'()*+=~",
        "https://example.com//double//slash",
        "https://example.com/%00%0d%0a%E2%9C%93",
        "https://example.com/a%2F..%2F..%2Fadmin",
        "https://example.com/.well-known/..a/a../...",
        "https://xn--bcher-kva.example.com/",
        "https://xn--fiqs8s.example/",
        "https://a--b.example.com/",
        "https://3com.example.com/",
        "https://0x7f.1.example.com/",
        f"https://{LABEL63}.example.com/",
        f"https://{'.'.join([LABEL63] * 3)}.{'a' * 57}.com/",
        "https://93.184.215.14/",
        "https://[2606:4700:4700::1111]:8443/",
        "https://[::ffff:1.2.3.4]/",
        "http://localhost:9000/",
        "https://example.com/" + "a" * (MAX_URL_LENGTH - 20),
    ],
)
def test_a_url_is_kept_as_it_was_written(text: str) -> None:
    assert str(parse_url(text)) == text


@pytest.mark.parametrize(
    ("text", "url", "written"),
    [
        ("HTTPS://EXAMPLE.com/Hook", Url("https", "example.com", 443, "/Hook"), "https://example.com/Hook"),
        ("http://example.com", Url("http", "example.com", 80, "/"), "http://example.com/"),
        ("http://example.com?a=b", Url("http", "example.com", 80, "/", "a=b"), "http://example.com/?a=b"),
        ("http://[2001:DB8::A]:80", Url("http", "2001:db8::a", 80), "http://[2001:db8::a]:80/"),
    ],
)
def test_only_case_and_the_empty_path_are_changed(text: str, url: Url, written: str) -> None:
    assert parse_url(text) == url
    assert str(parse_url(text)) == written


def test_the_parts_are_what_a_request_needs() -> None:
    url = parse_url("https://example.com:8443/a?b=c")
    assert (url.origin, url.authority, url.target) == (
        "https://example.com:8443",
        "example.com:8443",
        "/a?b=c",
    )
    assert parse_url("https://example.com:443/").authority == "example.com"
    assert parse_url("http://[::1]/").authority == "[::1]"


INVALID = {
    "must start with http": """
        /hook //127.0.0.1/ 127.0.0.1/ example.com http:127.0.0.1/ http:/example.com/ ftp://example.com/
        file:///etc/passwd javascript:alert(1) data:text/plain,hi httpx://a.com/ gopher://a.com/ ws://a.com/
        jar:http://a.com!/ http+unix://%2Fvar%2Frun%2Fx.sock/ http2://a.com/ h://a.com/ ://a.com/""",
    "not allowed": r"""
        http://example.com\@127.0.0.1/ http://example.com/a\b http://example.com#@127.0.0.1/
        http://example.com/#frag http://127.0.0.1#@example.com/ http://user:pass@example.com/ http://a@b@c.com/
        http://127.0.0.1@example.com/ http://@example.com/ http://:@example.com/ http://127.0.0.1%2f@example.com/""",
    "host": f"""
        http:// http:/// http://?x=1 http://:80/ http://::1/ http://2130706433/ http://0x7f000001/ http://0/
        http://127.1/ http://127.0.1/ http://0177.0.0.1/ http://127.0.0.01/ http://127.000.000.001/ http://0x/
        http://0x7f.0.0.1/ http://127.0.0.0x1/ http://256.256.256.256/ http://08.08.08.08/ http://1.2.3/
        http://1.2.3.4.5/ http://foo.1/ http://example.123/ http://foo.0xAB/ http://4294967296/
        http://example.com./ http://127.0.0.1./ http://0x7f.0.0.1./ http://.example.com/ http://ex..ample.com/
        http://example.com../ http://ex_ample.com/ http://-a.com/ http://a-.com/ http://{LABEL63}a.com/
        http://{".".join([LABEL63] * 3)}.{"a" * 58}.com/ http://example.com;127.0.0.1/ http://example.com'/
        http://127.0.0.1%00.example.com/ http://example.com%2ecom/ http://%31%32%37.0.0.1/ http://a,b.com/
        http://xn--/ http://xn--a.com/ http://xn--localhost.com/ http://xn--ls8h.la/ http://xn--com-.com/
        http://xn--xn---epa.com/ http://xn--99999999.com/ http://xn--ab-yzt.com/ http://xn--a-wbb.com/
        http://example.com%0d%0aX-A:b/ http://example.com$/ http://*.example.com/ http://a!b.com/""",
    "IPv6": """
        http://[]/ http://[example.com]/ http://[v1.127.0.0.1]/ http://[127.0.0.1]/ http://[::1 http://[:::1]/
        http://[1:2:3]/ http://[::1]x/ http://[::12345]/ http://[::256.0.0.1]/ http://[::01.2.3.4]/""",
    "zone": "http://[fe80::1%25eth0]/ http://[::1%lo]/ http://[2606:4700:4700::1111%25eth0]/",
    "port": """
        http://example.com:/ http://example.com:0/ http://example.com:65536/ http://example.com:-1/
        http://example.com:80a/ http://example.com:80:80/ http://example.com:+80/ http://[::1]:/
        http://example.com:080/ http://example.com:123456/""",
    "dot segment": """
        http://example.com/.. http://example.com/../x http://example.com/a/./b http://example.com/a/..
        http://example.com/%2e%2e/x http://example.com/.%2E/x http://example.com/a/%2e http://example.com/%2E.""",
    "percent-encoded": """
        http://example.com/<script> http://example.com/{x} http://example.com/`id` http://example.com/|ls
        http://example.com/" http://example.com/^ http://example.com/[ http://example.com/% http://a.com/%zz
        http://example.com/%1 http://example.com/?% http://example.com/?a=%g0 http://a.com/?< http://a.com/?{x}""",
    "characters": "https://example.com/" + "a" * (MAX_URL_LENGTH - 19),
}
ODD = (
    "|\x00http://example.com/|\x1bhttp://example.com/|http://exa\tmple.com/"
    "| http://example.com/|http://example.com/ "
    "|http://example.com/\r\nX: 1|http://example.com/ HTTP/1.1\r\nHost: a\r\n\r\n|http://127.0.0.1\x00.example.com/"
    "|http://example.com/\x7f|http://example.com/\x85|ht tp://a.com/|http://example.com/\u2028|http://b\xfccher.com/"
    "|http://\u2460\u2461\u2466.0.0.1/|http://127\u30020\u30020\u30021/|http://a\uff0ecom/|http://\u202elocalhost/"
    "|http://example.com/\u2713|http://1.1.1.1 &@127.0.0.1# @3.3.3.3/|h\u200bttp://a.com/|http://\u0661\u0662.0.0.1/"
)


@pytest.mark.parametrize(
    ("reason", "text"), [(r, text) for r, table in INVALID.items() for text in table.split()]
)
def test_what_is_not_such_a_url_is_refused_with_the_reason(reason: str, text: str) -> None:
    with pytest.raises(InvalidUrl) as caught:
        parse_url(text)
    assert reason in caught.value.reason


@pytest.mark.parametrize("text", ODD.split("|"))
def test_controls_blanks_and_letters_beyond_ascii_are_refused(text: str) -> None:
    with pytest.raises(InvalidUrl):
        parse_url(text)


@pytest.mark.parametrize(
    ("host", "inside"),
    [
        ("localhost", True),
        ("foo.localhost", True),
        ("postgres", True),
        ("metadata.google.internal", True),
        ("kubernetes.default.svc.cluster.local", True),
        ("router.lan", True),
        ("nas.home.arpa", True),
        ("1.0.0.127.in-addr.arpa", True),
        ("service.consul", True),
        ("x.invalid", True),
        ("x.onion", True),
        ("www.external.org", False),
        ("localhost.example.com", False),
        ("metadata.google.internal.example.com", False),
        ("internal.example.com", False),
    ],
)
def test_inside_names_are_known_by_their_last_label(host: str, inside: bool) -> None:
    assert is_inside_name(host) is inside


def test_an_address_written_out_is_told_from_a_name() -> None:
    assert str(literal_address("93.184.215.14")) == "93.184.215.14"
    assert str(literal_address("2001:db8:0::1")) == "2001:db8::1"
    assert literal_address("1.2.3.4.example.com") is None


PARTS = (
    "http:// https:// HTTP: // / ? # @ : \\ . .. %2e %00 % [ ] ::1 127.0.0.1 0x7f 017700000001 example.com "
    "localhost xn--a a :80 :99999 \u3002 \uff0e \u2488 169.254.169.254 ffff: %25 < {x} - _ ~ &a=b ; ,"
)
TAILS = st.lists(st.sampled_from([*PARTS.split(), "\r\n", " ", "\x00"]) | st.text(max_size=2), max_size=6)
STARTS = st.sampled_from(["", "http://", "https://example.com", "http://example.com:80/", "HTTPS://[::1]/a?"])


@given(STARTS, TAILS.map("".join))
@example("http://example.com", "\\@127.0.0.1/")
def test_what_is_accepted_reads_the_same_again_and_fits_in_a_request_line(start: str, tail: str) -> None:
    text = start + tail
    try:
        url = parse_url(text)
    except InvalidUrl as refused:
        event(refused.reason.partition(" ")[0])
        return
    written = str(url)
    assert parse_url(written) == url
    assert written.lower() in {text.lower(), text.lower() + "/", text.lower().replace("?", "/?", 1)}
    line = f"POST {url.target} HTTP/1.1\r\nHost: {url.authority}\r\n"
    assert line.isascii()
    assert line.count("\r") == line.count("\n") == 2
    assert line.split("\r\n", maxsplit=1)[0].count(" ") == 2
    assert url.host == url.host.lower()
    assert not set(url.host) - set("abcdefghijklmnopqrstuvwxyz0123456789.-:")
    assert 1 <= url.port <= 65535


@given(STARTS, TAILS.map("".join))
@example("http://example.com", "/a/../b")
@example("http://example.com", "/a//b?c=%zz")
@example("http://EXAMPLE.com:0080", "/")
def test_the_short_way_for_plain_ones_decides_as_the_long_way(start: str, tail: str) -> None:
    def decide(parse: Callable[[str], Url]) -> Url | str:
        try:
            return parse(start + tail)
        except InvalidUrl as refused:
            return refused.reason

    assert decide(parse_url) == decide(_parse_closely)
