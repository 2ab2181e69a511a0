"""Makes the PDF of an invoice: here in this process, or in a child with a deadline and a memory limit."""

import asyncio
import json
import os
import sys
from dataclasses import dataclass, field
from typing import Any, Final

from invoices.pdf._typesetting import typeset
from invoices.pdf.document import InvoicePdf, PdfFailed, PdfRefused, PdfTimeout
from invoices.pdf.view import view

REFUSED: Final = 3
"""The exit code of a child whose order no later attempt can set."""

_KEPT_ENVIRONMENT = ("PATH", "PYTHONPATH", "SYSTEMROOT", "LANG")


def render_invoice(data: InvoicePdf) -> bytes:
    """The PDF of an invoice, byte for byte the same for the same values.

    Runs to its end in the calling thread; services use `Renderer`. Raises PdfFailed.
    """
    return typeset(_order(data))


@dataclass(frozen=True, slots=True)
class Renderer:
    """Renders invoices in child processes, which can be stopped where a thread cannot.

    A child has `deadline` seconds and `memory` bytes of address space (where the system has such limits),
    knows none of the service's secrets, and at most `at_once` of them run.
    """

    deadline: float = 15.0
    memory: int = 1 << 30
    at_once: int = 2
    _places: asyncio.Semaphore = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_places", asyncio.Semaphore(self.at_once))

    async def render(self, data: InvoicePdf) -> bytes:
        """The PDF of an invoice. Raises PdfRefused (for good), PdfTimeout or PdfFailed (try again)."""
        order = _order(data)
        try:
            async with asyncio.timeout(self.deadline), self._places:
                return await _in_child(order, self.memory)
        except TimeoutError:
            raise PdfTimeout(f"the PDF of invoice {data.id!r} took more than {self.deadline:g} s") from None


async def render(data: InvoicePdf, *, deadline: float = 15.0) -> bytes:
    """The PDF of one invoice, made in a child process of its own; see `Renderer.render`."""
    return await Renderer(deadline).render(data)


def _order(data: InvoicePdf) -> bytes:
    order: dict[str, Any] = {"timestamp": int(data.issued_at.timestamp()), "invoice": view(data)}
    return json.dumps(order, ensure_ascii=False).encode()


async def _in_child(order: bytes, memory: int) -> bytes:
    try:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "invoices.pdf", str(memory)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ},
        )
    except OSError as error:
        raise PdfFailed(f"the typesetter could not be started: {error}") from error
    try:
        pdf, complaint = await child.communicate(order)
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode != 0:
        said = complaint.decode(errors="replace").strip().partition("\n")[0]
        if child.returncode == REFUSED:
            raise PdfRefused(said)
        raise PdfFailed(f"the typesetter ended with {child.returncode}: {said[:300] or 'no message'}")
    return pdf
