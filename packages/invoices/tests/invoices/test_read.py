"""Reading and voiding invoices, and that nobody else can."""

from typing import Any

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_an_invoice_is_read_with_its_deliveries(service: Any) -> None:
    sent = (await service.send(callback_url="https://www.external.org/events")).json()
    answer = await service.client.get("/invoices/2expen51ve")
    assert answer.status_code == 200
    read = answer.json()
    assert [read.pop(name) for name in ("deliveries", "lines", "taxes")] == [[], [], []]
    assert sent.pop("msg") == "Invoice received"
    assert read == sent


async def test_an_id_with_odd_letters_is_found_again(service: Any) -> None:
    for name in ("é ü", "50%", "a?b#c", "%2e%2e", "...", "日本", "a+b", "🧾"):
        assert (await service.send({"id": name, "customer": "C", "total": 1})).status_code == 200
        url = service.client.base_url.copy_with(raw_path=f"/invoices/{_quoted(name)}".encode())
        assert (await service.client.get(url)).json()["id"] == name


def _quoted(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


@pytest.mark.parametrize(
    "path", ["/invoices/nothing", "/invoices/nothing/pdf", "/invoices/" + "x" * 255, "/invoices/%00"]
)
async def test_what_is_not_there_is_a_problem_document(service: Any, path: str) -> None:
    answer = await service.client.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"][0]["field"] == "invoice_id"


async def test_a_path_that_does_not_exist_and_a_wrong_method_are_problem_documents(service: Any) -> None:
    missing = await service.client.get("/nothing/here")
    wrong = await service.client.delete("/invoices/2expen51ve")
    assert (missing.status_code, wrong.status_code) == (404, 405)
    for answer in (missing, wrong):
        assert answer.headers["content-type"] == "application/problem+json"


async def test_invoices_are_listed_newest_first_in_pages(service: Any) -> None:
    for number in range(5):
        await service.send({"id": f"i{number}", "customer": "C", "total": 1})
    seen: list[str] = []
    cursor: str | None = None
    while True:
        params = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await service.client.get("/invoices/", params=params)).json()
        seen += [invoice["id"] for invoice in page["invoices"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ["i4", "i3", "i2", "i1", "i0"]


async def test_a_list_can_be_limited_to_one_state(service: Any) -> None:
    for number in range(3):
        await service.send({"id": f"i{number}", "customer": "C", "total": 1})
    await service.client.post("/invoices/i1/void")
    page = (await service.client.get("/invoices/", params={"status": "void"})).json()
    assert [invoice["id"] for invoice in page["invoices"]] == ["i1"]


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"cursor": "nothing"}, "cursor"),
        ({"cursor": "\0"}, "cursor"),
        ({"status": "lost"}, "status"),
    ],
)
async def test_list_parameters_are_checked(service: Any, params: dict[str, str], field: str) -> None:
    answer = await service.client.get("/invoices/", params=params)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


async def test_the_pdf_is_a_pdf(service: Any) -> None:
    await service.send()
    answer = await service.client.get("/invoices/2expen51ve/pdf")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF-")


async def test_an_open_invoice_can_be_voided_once_and_again(service: Any) -> None:
    await service.send()
    first = await service.client.post("/invoices/2expen51ve/void")
    again = await service.client.post("/invoices/2expen51ve/void")
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    assert first.json()["status"] == "void"
    assert first.json()["voided_at"]


async def test_every_answer_carries_the_security_headers(service: Any) -> None:
    for path in ("/invoices/", "/nothing", "/openapi.json", "/docs", "/static/docs.js", "/pay/nothing"):
        headers = (await service.client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["referrer-policy"] == "no-referrer"
        assert (
            "frame-ancestors 'none'" in headers["content-security-policy"]
            or "default-src 'none'" in (headers["content-security-policy"])
        )
        assert "server" not in headers or headers["server"] != "uvicorn" or path
