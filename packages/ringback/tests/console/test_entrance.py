"""Nobody gets in without the secret, and no form is obeyed that the console did not make."""

import asyncio
import itertools
from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from ringback._types import State
from ringback.console import _deliveries, _endpoints, _live, _overview, _replays, _signing_in

Office = Any
OpenOffice = Any

SECRET = "a-secret-that-nobody-guesses-0123456789"

PAGES = [
    *("/", "/deliveries", "/deliveries/{id}", "/deliveries/{id}/replay", "/deliveries/{id}/cancel"),
    *("/overview", "/deliveries/replay", "/deliveries/{id}/curl", "/endpoints/{id}/rotate"),
    *("/endpoints", "/endpoints/{id}/disable", "/endpoints/{id}/enable", "/sign-out", "/nothing/there"),
]
ROUTES: list[Route] = [
    *(*_overview.routes, *_live.routes, *_replays.routes),
    *(*_deliveries.routes, *_endpoints.routes, *_signing_in.routes),
]


def forms() -> list[str]:
    paths = [route.path for route in ROUTES if "POST" in (route.methods or ())]
    return [path.replace("{reference}", "{id}") for path in paths]


# --- without a session -------------------------------------------------------------------------------------


async def test_without_a_session_every_page_leads_to_the_sign_in(office: Office) -> None:
    id_ = await office.ended(State.DEAD)
    for page in PAGES:
        answer = await office.operator.get(page.format(id=id_))
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/console/sign-in?next=/")
        assert answer.content == b""


async def test_after_the_sign_in_the_wanted_page_opens(office: Office) -> None:
    operator = office.operator
    led = await operator.get("/deliveries?state=dead&key=a%26b")
    form = await operator.client.get(operator.base.removesuffix("/console") + led.headers["location"])
    assert 'name="next" value="/deliveries?state=dead&amp;key=a%26b"' in form.text
    answer = await operator.submit("/sign-in", secret=SECRET, next="/deliveries?state=dead&key=a%26b")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/console/deliveries?state=dead&key=a%26b"
    assert (await operator.get("/deliveries")).status_code == 200


async def test_the_sign_in_leads_nowhere_else(office: Office) -> None:
    for wanted in (
        *("https://evil.example/", "//evil.example", "/\\evil.example", "evil", "/a\r\nSet-Cookie: x=y", ""),
    ):
        office.operator.client.cookies.clear()
        answer = await office.operator.submit("/sign-in", secret=SECRET, next=wanted)
        assert answer.headers["location"] == "/console/", wanted


async def test_a_wrong_secret_opens_nothing(office: Office) -> None:
    answer = await office.operator.sign_in("a-secret-that-somebody-has-guessed-wrongly")
    assert answer.status_code == 403
    assert "That is not the secret." in answer.text
    assert (await office.operator.get("/deliveries")).status_code == 303


# --- the session -------------------------------------------------------------------------------------------


async def test_the_cookie_is_for_this_console_alone(office: Office) -> None:
    [cookie] = (await office.operator.sign_in()).headers.get_list("set-cookie")
    name, *attributes = cookie.split("; ")
    assert name.startswith("ringback-console=")
    assert set(attributes) == {"HttpOnly", "Path=/console", "SameSite=lax"}


async def test_behind_https_the_cookie_is_secure(open_office: OpenOffice) -> None:
    async with open_office(base_url="https://pay.example") as office:
        [cookie] = (await office.operator.get("/sign-in")).headers.get_list("set-cookie")
        assert cookie.startswith("__Secure-ringback-console=")
        assert "; Secure" in cookie


async def test_a_session_that_was_tampered_with_is_none(office: Office) -> None:
    await office.operator.sign_in()
    [(name, good)] = office.operator.client.cookies.items()
    payload, signature = good.rsplit(".", 1)
    stranger = office.operator.another()
    longer = {payload[:-1] + "A" + "." + signature, f"{payload}.{signature[:-4]}", payload, good + "A"}
    for bad in {*longer, "", ".", "null", "A" * 5000, good.swapcase()}:
        stranger.client.cookies.clear()
        answer = await stranger.get("/deliveries", headers={"Cookie": f"{name}={bad}"})
        assert answer.status_code == 303, bad
    await stranger.client.aclose()
    assert (await office.operator.get("/deliveries")).status_code == 200


async def test_a_session_of_another_secret_is_none(open_office: OpenOffice) -> None:
    async with open_office() as one, open_office(secret="b" * 40) as other:
        await one.operator.sign_in()
        other.operator.client.cookies = one.operator.client.cookies
        assert (await other.operator.get("/deliveries")).status_code == 303


async def test_a_session_ends_after_twelve_hours(office: Office) -> None:
    await office.operator.sign_in()
    office.clock.advance(12 * 3600 - 1)
    assert (await office.operator.get("/deliveries")).status_code == 200
    office.clock.advance(2)
    assert (await office.operator.get("/deliveries")).status_code == 303


async def test_signing_out_ends_copies_of_the_cookie_too(office: Office) -> None:
    operator = office.operator
    await operator.sign_in()
    copy = operator.another()
    assert (await copy.get("/deliveries")).status_code == 200
    assert (await operator.post("/sign-out", token=await operator.token("/deliveries"))).status_code == 303
    assert (await operator.get("/deliveries")).status_code == 303
    assert (await copy.get("/deliveries")).status_code == 303
    await copy.client.aclose()


async def test_signing_in_begins_a_session_that_nobody_knew_before(office: Office) -> None:
    operator = office.operator
    await operator.get("/sign-in")
    planted = operator.another()
    await operator.sign_in()
    assert (await operator.get("/deliveries")).status_code == 200
    assert (await planted.get("/deliveries")).status_code == 303
    await planted.client.aclose()


# --- forms -------------------------------------------------------------------------------------------------


async def test_t32_no_form_from_elsewhere_is_obeyed(office: Office) -> None:
    operator, id_ = office.operator, await office.ended(State.DEAD)
    await office.attempt(await office.owe("other"), State.PENDING, counts=-1)
    await operator.sign_in()
    token, before = await operator.token("/deliveries"), await office.everything()
    assert len(forms()) == 8
    for form in forms():
        for status in await unasked(operator, form.format(id=id_), token):
            assert status == 403, form
    assert await office.everything() == before
    assert (await operator.get("/deliveries")).status_code == 200


async def unasked(operator: Any, path: str, token: str) -> list[int]:
    here = operator.base.removesuffix("/console")
    requests: list[tuple[dict[str, str], dict[str, str]]] = [
        ({}, {"Origin": here}),
        ({"token": ""}, {"Origin": here}),
        ({"token": token[::-1]}, {"Origin": here, "Sec-Fetch-Site": "same-origin"}),
        ({"token": token}, {}),
        ({"token": token}, {"Origin": "null"}),
        ({"token": token}, {"Origin": "https://evil.example"}),
        ({"token": token}, {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"}),
        ({"token": token}, {"Origin": here, "Sec-Fetch-Site": "cross-site"}),
        ({"token": token}, {"Origin": here, "Sec-Fetch-Site": "same-site"}),
        ({"token": token}, {"Sec-Fetch-Site": "none"}),
    ]
    posts = [
        await operator.client.post(f"{operator.base}{path}", data=fields, headers=headers)
        for fields, headers in requests
    ]
    return [post.status_code for post in posts]


async def test_a_form_without_a_cookie_changes_no_cookie(office: Office) -> None:
    for path in ("/sign-in", "/sign-out", "/deliveries/x/replay"):
        answer = await office.operator.post(path, token="0" * 64)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers


async def test_a_token_serves_no_other_session(office: Office) -> None:
    operator, id_ = office.operator, await office.ended(State.DEAD)
    token = await operator.token("/sign-in")
    await operator.sign_in()
    assert (await operator.post(f"/deliveries/{id_}/replay", token=token)).status_code == 403
    assert await office.state(id_) == "dead"


async def test_a_browser_that_hides_the_origin_still_says_where_a_form_is_from(office: Office) -> None:
    operator, id_ = office.operator, await office.ended(State.DEAD)
    await operator.sign_in()
    answer = await operator.client.post(
        f"{operator.base}/deliveries/{id_}/replay",
        data={"token": await operator.token("/deliveries")},
        headers={"Origin": "null", "Sec-Fetch-Site": "same-origin"},
    )
    assert answer.status_code == 303
    assert await office.state(id_) == "pending"


async def test_behind_a_proxy_the_base_url_says_what_is_here(open_office: OpenOffice) -> None:
    async with open_office(base_url="http://pay.example/") as office:
        operator, token = office.operator, await office.operator.token()
        url, data = f"{operator.base}/sign-in", {"token": token, "secret": SECRET}
        for origin, status in ((operator.base.removesuffix("/console"), 403), ("http://pay.example", 303)):
            answer = await operator.client.post(url, data=data, headers={"Origin": origin})
            assert answer.status_code == status


async def test_looking_changes_nothing(office: Office) -> None:
    made = [await office.ended(state) for state in (State.DEAD, State.DELIVERED, State.PENDING)]
    await office.operator.sign_in()
    before = await office.everything()
    for page, id_ in itertools.product(PAGES, made):
        for method in ("GET", "HEAD"):
            await office.operator.client.request(method, f"{office.operator.base}{page.format(id=id_)}")
    assert await office.everything() == before
    assert (await office.operator.get("/deliveries")).status_code == 200


async def test_what_is_no_small_form_is_not_read(office: Office) -> None:
    for media_type, body in (
        ("application/json", b'{"token":"x"}'),
        ("multipart/form-data; boundary=x", b"--x--"),
        ("text/plain", b"token=x"),
        ("application/x-www-form-urlencoded", b"token=" + b"x" * 20_000),
        ("application/x-www-form-urlencoded", b"a=b&" * 100),
        ("application/x-www-form-urlencoded", b"\xff\xfe=1"),
    ):
        headers = {"Origin": office.operator.base.removesuffix("/console"), "Content-Type": media_type}
        url = f"{office.operator.base}/sign-in"
        assert (await office.operator.client.post(url, content=body, headers=headers)).status_code == 400


async def test_other_methods_are_refused(office: Office) -> None:
    await office.operator.sign_in()
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        answer = await office.operator.client.request(method, f"{office.operator.base}/deliveries")
        assert answer.status_code == 405


# --- guessing ----------------------------------------------------------------------------------------------


async def test_guessing_is_slowed_more_and_more(office: Office) -> None:
    operator, waits = office.operator, []
    assert (await operator.sign_in("w" * 32)).status_code == 403
    assert (await operator.sign_in("w" * 32)).status_code == 403
    for _ in range(5):
        wrong = await operator.sign_in("w" * 32)
        assert wrong.status_code == 403
        refused = await operator.sign_in()
        assert refused.status_code == 429, "also with the right secret"
        waits.append(int(refused.headers["retry-after"]))
        office.clock.advance(waits[-1])
    assert waits == [1, 2, 4, 8, 16]
    assert (await operator.sign_in()).status_code == 303


async def test_many_guesses_at_once_are_slowed_as_well(office: Office) -> None:
    token = await office.operator.token()
    answers = await asyncio.gather(
        *(office.operator.post("/sign-in", token=token, secret="w" * 32) for _ in range(20))
    )
    assert sorted(answer.status_code for answer in answers) == [403] * 3 + [429] * 17


# --- an app's own way of knowing operators -----------------------------------------------------------------


async def test_an_app_may_say_who_is_asking(open_office: OpenOffice) -> None:
    async def authenticate(request: Request) -> str | None:
        return request.headers.get("x-operator")

    async with open_office(secret=None, authenticate=authenticate) as office:
        operator, id_ = office.operator, await office.ended(State.DEAD)
        refused = await operator.get("/deliveries")
        assert refused.status_code == 403
        assert id_ not in refused.text
        assert (await operator.get("/sign-in", headers={"x-operator": "ada"})).status_code == 404
        operator.client.headers["x-operator"] = "ada"
        assert "ada" in (await operator.get("/deliveries")).text
        assert (await operator.post(f"/deliveries/{id_}/replay")).status_code == 403
        assert (await operator.submit(f"/deliveries/{id_}/replay")).status_code == 303
        assert await office.state(id_) == "pending"
