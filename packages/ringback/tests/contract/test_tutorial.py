"""FastAPI's tutorial of callbacks, word for word, with one line of ours first or last."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from fastapi import FastAPI

from ringback._declarations import read
from ringback._document import publish
from ringback._types import Exchange

Program = Callable[..., ModuleType]

FIXED = "{$request.query.callback_url}/invoices/{$request.body#/id}"


def test_the_programs_are_those_of_the_tutorial(program: Program, tutorial_document: dict[str, Any]) -> None:
    assert program().app.openapi() == tutorial_document


@pytest.mark.parametrize("line", ["first", "last"])
def test_the_one_line_may_be_the_first_or_the_last(program: Program, line: str) -> None:
    module = program(**{line: "publish(app)"}, publish=publish)
    (contract,) = read(module.app)
    assert contract.function is module.invoice_notification
    assert contract.operation == "create_invoice_invoices__post"
    exchange = Exchange(
        query={"callback_url": "https://www.external.org/events"},
        body={"id": "2expen51ve", "customer": "Mr. Richie Rich", "total": "9999"},
    )
    assert str(contract.url(exchange)) == "https://www.external.org/events/invoices/2expen51ve"
    assert contract.url(Exchange(body=exchange.body)) is None
    event = module.InvoiceEvent(description="Payment celebration", paid=True)
    assert contract.dump(event).body == b'{"description":"Payment celebration","paid":true}'
    answer = contract.check(200, [("content-type", "application/json")], b'{"ok": true}')
    assert answer.value == module.InvoiceEventReceived(ok=True)


def test_only_the_callback_of_the_document_changes(
    program: Program, tutorial_document: dict[str, Any]
) -> None:
    published = program(last="publish(app)", publish=publish).app.openapi()
    callbacks = published["paths"]["/invoices/"]["post"].pop("callbacks")
    before = tutorial_document["paths"]["/invoices/"]["post"].pop("callbacks")
    assert published == tutorial_document
    assert list(callbacks["invoice_notification"]) == [FIXED]
    operation = callbacks["invoice_notification"][FIXED]["post"]
    (before_key,) = before["invoice_notification"]
    assert operation["x-ringback-declared"] == before_key
    assert operation["operationId"] == before["invoice_notification"][before_key]["post"]["operationId"]
    assert list(operation["responses"]) == ["200"]
    assert before_key in operation["description"]
    assert [p["name"] for p in operation["parameters"]] == [
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
    ]


def test_publish_declared_keeps_the_tutorials_key(program: Program) -> None:
    module = program(last="publish(app, form='declared')", publish=publish)
    callbacks = module.app.openapi()["paths"]["/invoices/"]["post"]["callbacks"]
    assert list(callbacks["invoice_notification"]) == ["{$callback_url}/invoices/{$request.body.id}"]
    (contract,) = read(module.app)
    assert contract.template.published == FIXED


def test_nothing_is_read_before_it_is_needed() -> None:
    app = FastAPI()
    publish(app)
    assert app.openapi_schema is None
