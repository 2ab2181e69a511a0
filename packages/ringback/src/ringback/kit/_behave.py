"""How a receiver behaves, in words: ``ok``, ``500``, ``429:retry-after=30``, ``hang``, one by one."""

import asyncio
import json
import random
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from ringback._errors import RingbackError
from ringback.kit._wire import encode_answer

__all__ = ["NAMES", "Answer", "Behaviour", "Script", "UnknownBehaviour", "parse_behaviours", "play"]

NAMES: Final = ("ok", "not-ok", "wrong-shape", "redirect", "reset", "hang", "drip")
"""The behaviours that are no status."""

_DRIP_SECONDS: Final = 0.05
_STATUS: Final = re.compile(r"[2-5][0-9]{2}")
_FIELD: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)=([\t\x20-\x7e]*)")
_BETWEEN_FIELDS: Final = re.compile(r",(?=[^,:=]+=)")  # a date in a field has a comma too
_FIELD_ALONE: Final = re.compile(r"[^:=]+=.*")


class UnknownBehaviour(RingbackError, ValueError):
    """A text names no behaviour."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What ``ok`` is: the documented answer. `wrong` is a body that the document does not allow."""

    status: int = 200
    body: bytes = b'{"ok": true}'
    media_type: str = "application/json"
    wrong: bytes = b'[{"unheard": "of"}]'

    @classmethod
    def of_value(cls, value: Any) -> "Answer":
        """A JSON value as the documented answer."""
        return cls(body=json.dumps(value).encode())

    @property
    def refusing(self) -> bytes:
        """The body with every true in it made false."""
        try:
            return json.dumps(_refusing(json.loads(self.body))).encode()
        except ValueError:
            return self.body


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One way to answer. `text` is how it was written; `status` and `headers` are those of a bare status."""

    text: str
    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Behaviour":
        """Read a name or a status with header fields; raises `UnknownBehaviour`."""
        if text in NAMES:
            return cls(text)
        status, colon, fields = text.partition(":")
        pairs = (
            [] if not colon else [_FIELD.fullmatch(field.strip()) for field in _BETWEEN_FIELDS.split(fields)]
        )
        if not _STATUS.fullmatch(status) or not all(pairs):
            raise UnknownBehaviour(
                f"{text!r} is no behaviour of a receiver. Give a status from 200 to 599, with header fields "
                f"if you like ('500', '429:retry-after=30'), or one of {', '.join(NAMES)}."
            )
        return cls(text, int(status), tuple((pair[1], pair[2]) for pair in pairs if pair))

    def encoded(self, answer: Answer) -> bytes:
        """The bytes to send; empty where nothing is answered."""
        json_type = [("content-type", answer.media_type)] if answer.body else []
        match self.text:
            case "ok" | "drip":
                return encode_answer(answer.status, json_type, answer.body)
            case "not-ok":
                return encode_answer(answer.status, json_type, answer.refusing)
            case "wrong-shape":
                return encode_answer(200, [("content-type", "application/json")], answer.wrong)
            case "redirect":
                return encode_answer(302, [("location", "/redirected")])
            case "hang" | "reset":
                return b""
        return encode_answer(self.status, self.headers)

    def status_of(self, answer: Answer) -> int | None:
        """The status that the caller sees; None where there is no answer."""
        named = {"ok": answer.status, "drip": answer.status, "not-ok": answer.status, "wrong-shape": 200}
        return {**named, "redirect": 302, "hang": None, "reset": None}.get(self.text, self.status)


class Script:
    """Behaviours in sequence, of which the last one stays; or one at random for each request.

    With a `seed` the order at random is always the same. One that is given twice comes twice as often.
    """

    def __init__(
        self, behaviours: Iterable[str], *, at_random: bool = False, seed: int | None = None
    ) -> None:
        self._left = [Behaviour.parse(text) for text in behaviours] or [Behaviour("ok")]
        self._chance = random.Random(seed) if at_random or seed is not None else None  # noqa: S311

    def next(self) -> Behaviour:
        """How to answer the next request."""
        if self._chance is not None:
            return self._chance.choice(self._left)
        return self._left.pop(0) if len(self._left) > 1 else self._left[0]


def parse_behaviours(texts: Iterable[str]) -> list[str]:
    """Behaviours as people write them in one text or several: ``500, 429:retry-after=30, ok``.

    A comma between header fields stays: what follows it has an equals sign and no colon.
    """
    found: list[str] = []
    for text in texts:
        first = True
        for piece in (part.strip() for part in re.split(r"[,\s]+", text) if part.strip()):
            if not first and found and ":" in found[-1] and _FIELD_ALONE.fullmatch(piece):
                found[-1] += f",{piece}"
            else:
                found.append(piece)
            first = False
    for one in found:
        Behaviour.parse(one)
    return found


async def play(
    behaviour: Behaviour, answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Behave so on a connection whose request was read."""
    if behaviour.text == "hang":
        while await reader.read(65_536):  # what is sent meanwhile is thrown away
            pass
        writer.transport.abort()
    elif behaviour.text == "reset":
        no_lingering = (1).to_bytes(4, "little") + bytes(4)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_lingering)
        writer.transport.abort()
    elif behaviour.text == "drip":
        for byte in behaviour.encoded(answer):
            writer.write(bytes([byte]))
            await asyncio.sleep(_DRIP_SECONDS)
    else:
        writer.write(behaviour.encoded(answer))
        await writer.drain()


def _refusing(answer: Any) -> Any:
    if isinstance(answer, dict):
        return {name: _refusing(value) for name, value in answer.items()}
    if isinstance(answer, list):
        return [_refusing(value) for value in answer]
    return False if answer is True else answer
