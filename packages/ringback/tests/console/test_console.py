"""What a console refuses to be made with, what every answer carries, and how it fails."""

import hashlib
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

import ringback.console
from ringback import Ringback, RingbackError
from ringback._types import State
from ringback.console import Console

Office = Any
OpenOffice = Any


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "must know who is asking"),
        ({"secret": ""}, "has 0 characters, and it needs at least 32"),
        ({"secret": "x" * 31}, "has 31 characters"),
        ({"secret": " " * 40}, "has 0 characters"),
        ({"secret": "x" * 32, "base_url": "pay.example"}, "base_url is 'pay.example'"),
    ],
)
async def test_no_console_is_made_that_anybody_could_enter(settings: dict[str, Any], words: str) -> None:
    ringback = Ringback(database="sqlite+aiosqlite://", worker="external")
    with pytest.raises(RingbackError, match=words):
        Console(ringback, **settings)
    await ringback.engine.dispose()


def test_without_its_extra_it_says_what_to_install() -> None:
    program = "import sys; sys.modules['jinja2'] = None; import ringback.console"
    ran = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert "The console needs jinja2" in ran.stderr
    assert "pip install 'ringback[console]'" in ran.stderr


async def test_t33_every_answer_says_what_a_browser_may_do_with_it(office: Office) -> None:
    operator, id_ = office.operator, await office.ended(State.DEAD)
    answers = [await operator.get(path) for path in ("/deliveries", "/sign-in", "/static/console.css")]
    answers += [
        await operator.get("/static/none.css"),
        await operator.post("/sign-in"),
        await operator.sign_in(),
    ]
    pages = ("/deliveries", f"/deliveries/{id_}", f"/deliveries/{id_}/replay", "/endpoints", "/nothing")
    answers += [await operator.get(path) for path in pages]
    answers.append(await operator.client.put(f"{operator.base}/deliveries"))
    assert {answer.status_code for answer in answers} == {200, 303, 403, 404, 405}
    for answer in answers:
        policy = answer.headers["content-security-policy"].split("; ")
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "form-action 'self'" in policy
        assert "script-src 'self'" in policy
        assert not any("unsafe" in rule or "http" in rule or "*" in rule for rule in policy)
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        is_file = answer.url.path.endswith("console.css")
        assert answer.headers["cache-control"] == (
            "public, max-age=31536000, immutable" if is_file else "no-store"
        )


async def test_t33_no_link_is_made_from_the_host_that_a_request_names(office: Office) -> None:
    await office.operator.sign_in()
    for path in ("/", "/deliveries", "/endpoints/"):
        answer = await office.operator.get(path, headers={"Host": "evil.example"})
        assert "evil.example" not in answer.text + answer.headers.get("location", "")


async def test_pages_hold_scripts_and_styles_as_files_only(office: Office) -> None:
    operator, id_ = office.operator, await office.ended(State.DELIVERED)
    await operator.sign_in()
    paths = ("/overview", "/deliveries", f"/deliveries/{id_}", f"/deliveries/{id_}/replay", "/endpoints")
    for path in (*paths, "/sign-in"):
        page = (await operator.get(path, follow_redirects=True)).text
        assert re.findall(r"<script[^>]*>", page) == re.findall(
            r'<script src="/console/static/[a-z.-]+\.js\?[0-9a-f]{12}" defer>', page
        )
        assert "<script" in page
        assert not any(bad in page for bad in ("<style", " style=", "javascript:", " onclick", "http://"))


def test_what_was_copied_in_is_what_its_record_says() -> None:
    folder = Path(ringback.console.__file__).parent / "static" / "vendor"
    recorded = dict(re.findall(r"^([0-9a-f]{64})  (\S+)$", (folder / "VERSION").read_text(), re.MULTILINE))
    assert sorted(recorded.values()) == sorted(path.name for path in folder.iterdir() if path.suffix != "")
    for digest, name in recorded.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name


async def test_what_is_not_there_is_told_kindly(
    office: Office, words: Callable[[httpx.Response], str]
) -> None:
    await office.operator.sign_in()
    for path in (
        *(
            "/deliveries/msg_nope",
            "/deliveries/%00",
            "/endpoints/99/disable",
            f"/endpoints/{'9' * 30}/enable",
        ),
        *("/endpoints/%00/enable", "/deliveries/a/b/c", "/x"),
    ):
        answer = await office.operator.get(path)
        assert answer.status_code == 404, path
        assert "There is nothing here" in words(answer)


async def test_a_database_that_is_gone_is_told_kindly(
    office: Office, words: Callable[[httpx.Response], str]
) -> None:
    await office.operator.sign_in()
    await office.do(lambda connection: connection.exec_driver_sql("DROP TABLE ringback_deliveries"))
    answer = await office.operator.get("/deliveries")
    assert answer.status_code == 503
    assert "The database does not answer" in words(answer)
