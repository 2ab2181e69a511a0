"""The external API on this machine: takes callbacks, judges them by the document, answers them."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ringback.kit._behave import Script, play
from ringback.kit._declared import Declared
from ringback.kit._wire import Incoming
from ringback.kit.listen._answers import GIVEN_NONE, documented_answer, problem, refusal
from ringback.kit.listen._checks import Check, Finding
from ringback.kit.listen._journal import Entry, Journal
from ringback.kit.listen._judging import Judge
from ringback.kit.listen._routes import Match, Route, match
from ringback.kit.listen._signatures import Verifier

__all__ = ["Listener"]


class Listener:
    """Answers the callbacks of a document, and keeps what came in `journal`.

    What is wrong is refused as a right receiver would: 403 for the signature, 422 for what the document does
    not allow; with `accept_all` it is answered like what is right. `script` says how to answer what is taken,
    `answer` is a JSON value in place of the example of the documented answer, `on_entry` is told of each
    request. Raises `RingbackError` for a document or an answer that cannot be used.
    """

    def __init__(
        self,
        document: Mapping[str, Any],
        chosen: Sequence[Declared],
        *,
        secrets: Sequence[str] = (),
        script: Script | None = None,
        answer: Any = GIVEN_NONE,
        accept_all: bool = False,
        journal: Journal | None = None,
        on_entry: Callable[[Entry], None] = lambda _entry: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.journal = journal or Journal()
        self._routes = [Route(declared) for declared in chosen]
        self._judges = {route: Judge(document, route) for route in self._routes}
        self._answers = {route: documented_answer(document, route.declared, answer) for route in self._routes}
        self.verifier = Verifier(secrets, clock=clock)
        self._script = script or Script(["ok"])
        self._accept_all = accept_all
        self._on_entry = on_entry
        self._clock = clock

    def about(self) -> dict[str, Any]:
        """What is listened for, for people."""
        callbacks = [
            {
                "name": route.declared.name,
                "method": route.method,
                "key": route.declared.contract.template.published,
            }
            for route in self._routes
        ]
        return {"callbacks": callbacks, "verifies": self.verifier.kinds, "received": self.journal.count}

    async def __call__(
        self, incoming: Incoming, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Judge one request, keep it, and answer it."""
        found = match(self._routes, incoming.target.partition("?")[0])
        meant = [(route, matched) for route, matched in found if route.method == incoming.method]
        if not meant:
            await self._refuse_stranger(incoming, [route.method for route, _ in found], writer)
            return
        route, checks = self._best(incoming, meant)
        if any(check.finding is Finding.WRONG for check in checks) and not self._accept_all:
            status, answer = refusal(checks)
            self._keep(incoming, route, checks, "refused", status)
            await _send(incoming, answer, writer)
            return
        behaviour = self._script.next()
        documented = self._answers[route]
        if incoming.method == "HEAD":
            documented = replace(documented, body=b"", wrong=b"")
        self._keep(incoming, route, checks, behaviour.text, behaviour.status_of(documented))
        await play(behaviour, documented, reader, writer)

    def _best(
        self, incoming: Incoming, meant: Sequence[tuple[Route, Match]]
    ) -> tuple[Route, tuple[Check, ...]]:
        """Of callbacks that share a path, the one that the request fits, or fits best."""
        judged = []
        for route, matched in meant:
            checks = self._judges[route].check(incoming, matched)
            signature = self.verifier.check(incoming, with_path=route.declared.is_ringbacks)
            judged.append((route, (*checks, signature)))
        return min(judged, key=lambda one: sum(check.finding is Finding.WRONG for check in one[1]))

    async def _refuse_stranger(
        self, incoming: Incoming, methods: Sequence[str], writer: asyncio.StreamWriter
    ) -> None:
        names = sorted(set(methods))
        if names:
            check = Check(
                "method", Finding.WRONG, f"{incoming.method}, and the document says {' or '.join(names)}"
            )
            answer = problem(405, "Method not allowed", check.text, [("allow", ", ".join(names))])
        else:
            check = Check("path", Finding.WRONG, "no callback of the document goes to such a path")
            answer = problem(404, "Not found", check.text)
        self._keep(incoming, None, (check,), "refused", 405 if names else 404)
        await _send(incoming, answer, writer)

    def _keep(
        self,
        incoming: Incoming,
        route: Route | None,
        checks: tuple[Check, ...],
        behaviour: str,
        status: int | None,
    ) -> None:
        message_id = dict(incoming.headers).get("webhook-id", "")
        entry = Entry(
            number=self.journal.count + 1,
            at=self._clock(),
            incoming=incoming,
            callback="" if route is None else route.declared.name,
            checks=checks,
            message_id=message_id,
            delivery=self.journal.attempt_of(message_id),
            behaviour=behaviour,
            status=status,
        )
        self.journal.add(entry)
        self._on_entry(entry)


async def _send(incoming: Incoming, answer: bytes, writer: asyncio.StreamWriter) -> None:
    # What answers HEAD ends with its head (RFC 9110, section 9.3.2).
    head, end, _ = answer.partition(b"\r\n\r\n")
    writer.write(head + end if incoming.method == "HEAD" else answer)
    await writer.drain()
