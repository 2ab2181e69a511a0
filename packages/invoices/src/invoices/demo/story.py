"""The story itself: the tutorial's example, played over HTTP against a service that runs for real."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any, Final

import httpx

from invoices.demo.form import Form, find_form
from invoices.demo.processes import Child
from invoices.demo.telling import Teller, answered, json_text, link

__all__ = ["Story", "StoryBroken"]

INVOICE: Final = {"id": "2expen51ve", "customer": "Mr. Richie Rich", "total": "9999"}
SECOND: Final = {"id": "2expen51ve-again", "customer": "Mr. Richie Rich", "total": "99.99"}
THIRD: Final = {"id": "2expen51ve-by-mistake", "customer": "Mr. Richie Rich", "total": "999.90"}
STEP_SECONDS: Final = 20.0
_POLL_SECONDS: Final = 0.05


class StoryBroken(Exception):
    """A step failed: which one, and how."""

    def __init__(self, step: str, reason: str) -> None:
        self.step = step
        self.reason = reason
        super().__init__(f"{step}: {reason}")


@dataclass(frozen=True, slots=True)
class Story:
    """Everything that takes part. `service` and `external_api` are URLs without a slash at the end."""

    client: httpx.AsyncClient
    service: str
    external_api: str
    receiver: Child
    mail_folder: Path
    teller: Teller

    async def play(self) -> dict[str, Any]:
        """Tell it from the beginning to the end; returns the invoice. Raises `StoryBroken`."""
        self.teller.begin()
        invoice = await self._receive()
        await self._mail()
        form = await self._open_page(invoice["pay_url"])
        await self._pay(form)
        await self._called_back()
        await self._delivered()
        await self._second_try()
        await self._withdrawn()
        return invoice

    async def _send(self, invoice: dict[str, str]) -> dict[str, Any]:
        callback_url = f"{self.external_api}/events"
        answer = await self.client.post(
            f"{self.service}/invoices/", params={"callback_url": callback_url}, json=invoice
        )
        return _expect(answer, 200)

    async def _receive(self) -> dict[str, Any]:
        async with self._step("Invoice received", "sending the invoice"):
            callback_url = f"{self.external_api}/events"
            invoice = await self._send(INVOICE)
            _must(invoice["msg"] == "Invoice received", f"the answer says {invoice['msg']!r}")
            _must(invoice["status"] == "open", "this database has seen the story before: give an empty one")
            self.teller.step(
                f"Invoice {invoice['id']} received",
                f"POST {self.service}/invoices/?callback_url={callback_url}",
                json_text(json.dumps(INVOICE)),
                answered(200, f"{invoice['msg']}: {invoice['total']} {invoice['currency']}"),
            )
            return invoice

    async def _mail(self) -> None:
        async with self._step("Mail written", "waiting for the mail"):
            path = await _until(lambda: next(iter(self.mail_folder.glob("*.eml")), None))
            mail = message_from_bytes(path.read_bytes(), policy=policy.default)
            attached = ", ".join(str(part.get_filename()) for part in mail.iter_attachments())
            self.teller.step(
                "Mail to the customer written", f"“{mail['Subject']}”, with {attached}", str(path)
            )

    async def _open_page(self, url: str) -> Form:
        async with self._step("Hosted page", "opening the customer's page"):
            page = await self.client.get(url)
            _must(page.status_code == 200, f"{url} answered {page.status_code}")
            form = find_form(page.text, url)
            self.teller.step("Customer opens the hosted page", link(url))
            return form

    async def _pay(self, form: Form) -> None:
        async with self._step("Paid in the sandbox", "paying"):
            going = await self.client.post(form.action, data=form.fields)
            checkout = _redirected(going)
            page = await self.client.get(checkout)
            _must(page.status_code == 200, f"{checkout} answered {page.status_code}")
            decision = find_form(page.text, checkout)
            paying = await self.client.post(decision.action, data=decision.pressed("decision", "approve"))
            back = _redirected(paying)
            paid = await self.client.get(back)
            _must(paid.status_code == 200, f"{back} answered {paid.status_code}")
            self.teller.step("Paid in the sandbox", f"{checkout}", "the customer says: approve")

    async def _called_back(self) -> None:
        async with self._step("Callback attempted", "waiting for the callback"):
            told = await self.receiver.next_line()
            _must(told["happened"] == "called", f"the external API refused it: {told.get('reason')}")
            _must(
                told["event"] == {"description": "Payment celebration", "paid": True},
                f"it brought {told['event']}",
            )
            self.teller.step(
                "Callback attempted, signature verified",
                f"POST {told['url']}",
                json_text(json.dumps(told["event"])),
                f"webhook-id {told['message']}",
            )
            self.teller.step("The external API answers", answered(200, json_text(json.dumps(told["answer"]))))

    async def _delivered(self) -> None:
        async with self._step("Delivered", "waiting for the delivery's end"):
            url = f"{self.service}/invoices/{INVOICE['id']}"
            while True:
                invoice = _expect(await self.client.get(url), 200)
                (delivery,) = invoice["deliveries"]
                if delivery["state"] not in ("pending", "waiting", "sending"):
                    break
                await asyncio.sleep(_POLL_SECONDS)
            _must(delivery["state"] == "delivered", f"it is {delivery['state']}: {delivery['verdict']}")
            _must(invoice["status"] == "paid", f"the invoice is {invoice['status']}")
            attempts = "1 attempt" if delivery["attempts"] == 1 else f"{delivery['attempts']} attempts"
            self.teller.step("Delivered", f"the invoice is paid, its callback delivered in {attempts}")

    async def _second_try(self) -> None:
        """Another invoice: the card is declined, then accepted, and the external API hears of both."""
        async with self._step("Declined, and paid at the second try", "declining a card"):
            invoice = await self._send(SECOND)
            form = find_form((await self.client.get(invoice["pay_url"])).text, invoice["pay_url"])
            checkout = _redirected(await self.client.post(form.action, data=form.fields))
            for decision, event in (
                ("decline", {"description": "Payment failed", "paid": False}),
                ("approve", {"description": "Payment celebration", "paid": True}),
            ):
                button = find_form((await self.client.get(checkout)).text, checkout)
                _redirected(await self.client.post(button.action, data=button.pressed("decision", decision)))
                told = await self.receiver.next_line()
                _must(told["event"] == event, f"after {decision!r} the external API heard {told}")
                what = "Card declined" if decision == "decline" else "Paid at the second try"
                self.teller.step(
                    f"{what}, and called back about", f"POST {told['url']}", json_text(json.dumps(event))
                )

    async def _withdrawn(self) -> None:
        """A third one is voided: its page says so, and asks for no money."""
        async with self._step("Voided", "voiding an invoice"):
            invoice = await self._send(THIRD)
            url = f"{self.service}/invoices/{invoice['id']}/void"
            voided = _expect(await self.client.post(url), 200)
            page = (await self.client.get(invoice["pay_url"])).text
            _must(voided["status"] == "void" and "<form" not in page, f"it is {voided['status']}")
            self.teller.step(
                f"Invoice {invoice['id']} voided", f"POST {url}", "its page asks for nothing any more"
            )

    @asynccontextmanager
    async def _step(self, name: str, meanwhile: str) -> AsyncIterator[None]:
        """One step, with a deadline; whatever goes wrong in it is told under its name."""
        try:
            with self.teller.waiting(meanwhile):
                async with asyncio.timeout(STEP_SECONDS):
                    yield
        except TimeoutError:
            raise StoryBroken(name, f"did not happen within {STEP_SECONDS:.0f} seconds") from None
        except (_Unexpected, httpx.HTTPError, LookupError, ValueError) as error:
            raise StoryBroken(name, f"{error}" or type(error).__name__) from error


class _Unexpected(Exception):
    pass


def _must(condition: bool, otherwise: str) -> None:
    if not condition:
        raise _Unexpected(otherwise)


def _expect(answer: httpx.Response, status_code: int) -> dict[str, Any]:
    _must(
        answer.status_code == status_code,
        f"{answer.request.method} {answer.request.url} answered {answer.status_code}: {answer.text[:500]}",
    )
    body: dict[str, Any] = answer.json()
    return body


def _redirected(answer: httpx.Response) -> str:
    _must(answer.status_code == 303, f"{answer.request.url} answered {answer.status_code}, not a redirect")
    return str(answer.request.url.join(answer.headers["location"]))


async def _until(look: Callable[[], Path | None]) -> Path:
    while (found := look()) is None:  # noqa: ASYNC110 (the file is written by another process)
        await asyncio.sleep(_POLL_SECONDS)
    return found
