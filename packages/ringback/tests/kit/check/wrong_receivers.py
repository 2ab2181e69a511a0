"""Receivers of the tutorial's callback, each wrong in one way, and the right one that they differ from."""

import asyncio
import base64
import hashlib
import hmac
import json
import re
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["DEFECTS", "Defects", "Receiver", "Refused"]

Answer = tuple[int, str, bytes]


class Refused(Exception):
    """The request is not believed, or not understood."""

    def __init__(self, status: int = 403, text: str = "refused") -> None:
        super().__init__(text)
        self.answer: Answer = (status, "text/plain", text.encode())


class Receiver:
    """Right in every way. A defect is a subclass with one other step; `finds` names the checks that tell."""

    finds: tuple[str, ...] = ()
    severity = "must"

    def __init__(self, *secrets: str) -> None:
        self.secrets = secrets
        self.seen: dict[str, Answer] = {}
        self.running = 0
        self.newest = 0

    async def serve(self, scope: Any, receive: Any, send: Any) -> None:
        """One request of ASGI, whose path begins with the receiver's own name."""
        body = await self.read(receive)
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        path = scope["path"].split("/", 2)[2]
        try:
            answer = await self.handle(path, headers, body)
        except Refused as refused:
            answer = refused.answer
        except Exception as error:
            answer = self.crashed(error)
        status, kind, text = answer
        fields = [(b"content-type", kind.encode()), (b"content-length", b"%d" % len(text))]
        fields += [(b"location", text)] if 300 <= status < 400 else []
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": b"" if status == 204 else text})

    async def read(self, receive: Any) -> bytes:
        body, more = b"", True
        while more:
            event = await receive()
            body, more = body + event.get("body", b""), event.get("more_body", False)
        return body

    async def handle(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        self.check_path(path)
        self.verify(headers, body)
        event = self.parse(headers, body)
        return await self.act(headers, event)

    def check_path(self, path: str) -> None:
        if not re.fullmatch(r"invoices/[^/]+", path):
            raise Refused(404)

    def verify(self, headers: dict[str, str], body: bytes) -> None:
        message_id, timestamp, given = self.fields(headers)
        self.check_time(timestamp)
        content = f"{message_id}.{timestamp}.".encode() + self.signed(body)
        wanted = [self.signature(secret, content) for secret in self.secrets]
        if not any(self.same(one, want) for one in self.split(given) for want in wanted):
            self.refuse(wanted)

    def fields(self, headers: Mapping[str, str]) -> tuple[str, str, str]:
        found = [headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature")]
        if not all(found):
            raise Refused
        return found[0], found[1], found[2]

    def check_time(self, timestamp: str) -> None:
        if not timestamp.isdecimal() or abs(time.time() - int(timestamp)) > 300:
            raise Refused

    def signed(self, body: bytes) -> bytes:
        return body

    def signature(self, secret: str, content: bytes) -> str:
        key = base64.b64decode(secret.removeprefix("whsec_"))
        return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()

    def split(self, given: str) -> list[str]:
        return given.split(" ")

    def same(self, given: str, wanted: str) -> bool:
        return hmac.compare_digest(given.encode("latin-1"), wanted.encode())

    def refuse(self, wanted: list[str]) -> None:
        raise Refused

    def parse(self, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
        try:
            event = json.loads(body)
        except ValueError:
            raise Refused(400) from None
        if not isinstance(event, dict):
            raise Refused(422)
        self.check_event(event)
        return event

    def check_event(self, event: dict[str, Any]) -> None:
        if not isinstance(event.get("description"), str) or not isinstance(event.get("paid"), bool):
            raise Refused(422)

    async def act(self, headers: Mapping[str, str], event: dict[str, Any]) -> Answer:
        message_id = headers.get("webhook-id", "")
        if message_id not in self.seen:
            self.seen[message_id] = await self.effect(event)
        return self.seen[message_id]

    async def effect(self, event: dict[str, Any]) -> Answer:
        return self.answer(event)

    def answer(self, event: dict[str, Any]) -> Answer:
        return 200, "application/json", b'{"ok": true}'

    def crashed(self, error: Exception) -> Answer:
        return 500, "text/plain", b"Internal Server Error"


DEFECTS: dict[str, type[Receiver]] = {}
Defects = Mapping[str, type[Receiver]]


def _defect(*finds: str, severity: str = "must") -> Callable[[type[Receiver]], type[Receiver]]:
    def named(wrong: type[Receiver]) -> type[Receiver]:
        wrong.finds, wrong.severity = finds, severity
        DEFECTS[wrong.__name__] = wrong
        return wrong

    return named


# --- verification ------------------------------------------------------------------------------------------


@_defect(
    *("signature.none", "signature.no-id", "signature.no-timestamp", "signature.no-signature"),
    *("signature.other-key", "signature.other-body", "signature.other-bytes", "signature.other-id"),
    *("signature.prefix", "signature.case", "signature.malformed-words", "signature.malformed-many"),
    *("time.stale", "time.future", "time.refreshed", "time.junk"),
)
class VerifiesNothing(Receiver):
    def verify(self, headers: dict[str, str], body: bytes) -> None:
        pass


@_defect("event.spelling", "signature.other-bytes")
class SignsWhatItHasParsed(Receiver):
    def signed(self, body: bytes) -> bytes:
        return json.dumps(json.loads(body), separators=(",", ":"), ensure_ascii=False).encode()


@_defect("signature.other-bytes")
class SignsWhatItHasStripped(Receiver):
    def signed(self, body: bytes) -> bytes:
        return body.strip()


@_defect("time.stale", "time.future")
class IgnoresTime(Receiver):
    def check_time(self, timestamp: str) -> None:
        if not timestamp.isdecimal():
            raise Refused


@_defect("time.future")
class BelievesTheFuture(Receiver):
    def check_time(self, timestamp: str) -> None:
        if not timestamp.isdecimal() or time.time() - int(timestamp) > 300:
            raise Refused


@_defect("signature.two-minutes", severity="should")
class TakesAMinute(Receiver):
    def check_time(self, timestamp: str) -> None:
        if not timestamp.isdecimal() or abs(time.time() - int(timestamp)) > 60:
            raise Refused


@_defect("time.junk", severity="should")
class CrashesAtJunkTimes(Receiver):
    def check_time(self, timestamp: str) -> None:
        if abs(time.time() - int(timestamp)) > 300:
            raise Refused


@_defect("signature.other-id")
class RemembersSignatures(Receiver):
    """Believes a signature that it has verified before, whatever id and time come with it."""

    def __init__(self, *secrets: str) -> None:
        super().__init__(*secrets)
        self.known: set[str] = set()

    def verify(self, headers: dict[str, str], body: bytes) -> None:
        _, timestamp, given = self.fields(headers)
        self.check_time(timestamp)
        if given not in self.known:
            super().verify(headers, body)
            self.known.add(given)


@_defect("signature.none", "signature.no-signature")
class VerifiesOnlyWhatClaimsToBeSigned(Receiver):
    def verify(self, headers: dict[str, str], body: bytes) -> None:
        if "webhook-signature" in headers:
            super().verify(headers, body)


@_defect("signature.rotation", "signature.other-version")
class ReadsTheFirstSignatureAlone(Receiver):
    def split(self, given: str) -> list[str]:
        return given.split(" ")[:1]


@_defect("signature.prefix")
class ComparesByPrefix(Receiver):
    def same(self, given: str, wanted: str) -> bool:
        return wanted.startswith(given)


@_defect("signature.case")
class ComparesWithoutCase(Receiver):
    def same(self, given: str, wanted: str) -> bool:
        return given.lower() == wanted.lower()


@_defect("signature.version", severity="should")
class IgnoresTheVersion(Receiver):
    def same(self, given: str, wanted: str) -> bool:
        return given.partition(",")[2] == wanted.partition(",")[2]


@_defect("signature.malformed-words", severity="should")
class CrashesAtMalformedSignatures(Receiver):
    def same(self, given: str, wanted: str) -> bool:
        _version, text = given.split(",")
        return base64.b64decode(text) == base64.b64decode(wanted.partition(",")[2])


@_defect("signature.no-id", "signature.none", severity="should")
class CrashesWithoutHeaders(Receiver):
    def fields(self, headers: Mapping[str, str]) -> tuple[str, str, str]:
        return headers["webhook-id"], headers["webhook-timestamp"], headers["webhook-signature"]


@_defect("signature.other-key", "signature.other-body")
class TellsTheSignature(Receiver):
    def refuse(self, wanted: list[str]) -> None:
        raise Refused(403, f"expected {wanted[0]}")


@_defect("signature.other-key", severity="should")
class RedirectsStrangers(Receiver):
    def refuse(self, wanted: list[str]) -> None:
        raise Refused(302, "/login")


@_defect("signature.each-key")
class ForgetsTheSecondSecret(Receiver):
    def __init__(self, *secrets: str) -> None:
        super().__init__(secrets[0])


# --- answers -----------------------------------------------------------------------------------------------


@_defect("event.1")
class AnswersHtml(Receiver):
    def answer(self, event: dict[str, Any]) -> Answer:
        return 200, "text/html", b"<p>ok</p>"


@_defect("event.1")
class AnswersAnotherShape(Receiver):
    def answer(self, event: dict[str, Any]) -> Answer:
        return 200, "application/json", b'{"okay": true}'


@_defect("event.1")
class AnswersAnotherType(Receiver):
    def answer(self, event: dict[str, Any]) -> Answer:
        return 200, "application/json", b'{"ok": "true"}'


@_defect("event.1")
class AnswersNothing(Receiver):
    def answer(self, event: dict[str, Any]) -> Answer:
        return 204, "application/json", b""


@_defect("event.1")
class AnswersAnotherStatus(Receiver):
    def answer(self, event: dict[str, Any]) -> Answer:
        return 201, "application/json", b'{"ok": true}'


@_defect("event.1")
class AnswersTooMuch(Receiver):
    def answer(self, event: dict[str, Any]) -> Answer:
        return 200, "application/json", b'{"ok": true, "log": "' + b"x" * 100_000 + b'"}'


@_defect("event.1")
class Redirects(Receiver):
    def answer(self, event: dict[str, Any]) -> Answer:
        return 307, "text/plain", b"http://192.0.2.1/elsewhere"


@_defect("event.1", severity="should")
class WorksBeforeItAnswers(Receiver):
    async def effect(self, event: dict[str, Any]) -> Answer:
        await asyncio.sleep(1.7 if len(self.seen) < 2 else 0)  # not always: the test has little time
        return self.answer(event)


@_defect("invalid.missing.paid", severity="should")
class ShowsItsStack(Receiver):
    def check_event(self, event: dict[str, Any]) -> None:
        try:
            bool(event["paid"]), str(event["description"])
            super().check_event(event)
        except KeyError:
            raise Refused(422, traceback.format_exc()) from None


# --- events ------------------------------------------------------------------------------------------------


@_defect("event.unknown-fields", severity="should")
class RefusesUnknownFields(Receiver):
    def check_event(self, event: dict[str, Any]) -> None:
        super().check_event(event)
        if set(event) - {"description", "paid"}:
            raise Refused(422)


@_defect("invalid.type.description", "invalid.null.paid", severity="should")
class ValidatesNothing(Receiver):
    def check_event(self, event: dict[str, Any]) -> None:
        pass


@_defect("invalid.missing.paid", "invalid.missing.description", severity="should")
class CrashesAtMissingFields(Receiver):
    def check_event(self, event: dict[str, Any]) -> None:
        assert isinstance(event["description"] + "", str)
        assert isinstance(event["paid"], bool)


@_defect("invalid.list", severity="should")
class CrashesAtLists(Receiver):
    def parse(self, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
        try:
            event: dict[str, Any] = json.loads(body)
        except ValueError:
            raise Refused(400) from None
        self.check_event(event)
        return event


@_defect("invalid.cut", "invalid.empty", severity="should")
class CrashesAtBrokenJson(Receiver):
    def parse(self, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(body.decode(errors="replace"))
        if not isinstance(event, dict):
            raise Refused(422)
        self.check_event(event)
        return event


@_defect("invalid.utf-8", severity="should")
class CrashesAtBrokenText(Receiver):
    def signed(self, body: bytes) -> bytes:
        return body.decode().encode()


@_defect("event.large", severity="should")
class ReadsTenThousandBytes(Receiver):
    def verify(self, headers: dict[str, str], body: bytes) -> None:
        if len(body) > 10_000:
            raise Refused(413)
        super().verify(headers, body)


@_defect("event.6")
class ReadsAsciiAlone(Receiver):
    def signed(self, body: bytes) -> bytes:
        return body.decode("ascii", "ignore").encode()


@_defect("event.3")
class RefusesEmptyTexts(Receiver):
    def check_event(self, event: dict[str, Any]) -> None:
        super().check_event(event)
        if not event["description"]:
            raise Refused(422)


@_defect("event.charset", severity="should")
class ComparesTheContentType(Receiver):
    def parse(self, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
        if headers["content-type"] != "application/json":
            raise Refused(415)
        return super().parse(headers, body)


@_defect("event.unknown-headers", severity="should")
class RefusesUnknownHeaders(Receiver):
    async def handle(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        if any(name.startswith("x-") for name in headers):
            raise Refused(400)
        return await super().handle(path, headers, body)


@_defect("event.encoded-url", severity="should")
class KnowsPlainIdsAlone(Receiver):
    def check_path(self, path: str) -> None:
        if not re.fullmatch(r"invoices/[A-Za-z0-9]+", path):
            raise Refused(404)


# --- delivery ----------------------------------------------------------------------------------------------


@_defect("delivery.again")
class RefusesDuplicates(Receiver):
    async def act(self, headers: Mapping[str, str], event: dict[str, Any]) -> Answer:
        if headers["webhook-id"] in self.seen:
            raise Refused(409)
        return await super().act(headers, event)


@_defect("delivery.twins", severity="should")
class CrashesAtTwins(Receiver):
    async def act(self, headers: Mapping[str, str], event: dict[str, Any]) -> Answer:
        message_id = headers["webhook-id"]
        if message_id in self.seen:
            return self.seen[message_id]
        await asyncio.sleep(0.1)
        assert message_id not in self.seen, "duplicate key"
        self.seen[message_id] = self.answer(event)
        return self.seen[message_id]


@_defect("delivery.order")
class WantsOrder(Receiver):
    async def act(self, headers: Mapping[str, str], event: dict[str, Any]) -> Answer:
        if int(headers["webhook-timestamp"]) < self.newest - 30:
            raise Refused(409, "there was a newer event")
        self.newest = max(self.newest, int(headers["webhook-timestamp"]))
        return await super().act(headers, event)


@_defect("delivery.crowd", severity="should")
class TakesFewAtOnce(Receiver):
    async def effect(self, event: dict[str, Any]) -> Answer:
        self.running += 1
        try:
            await asyncio.sleep(0.2)
            if self.running > 5:
                raise Refused(429)
        finally:
            self.running -= 1
        return self.answer(event)


@_defect("slow.others", severity="should")
class ReadsOneAtATime(Receiver):
    def __init__(self, *secrets: str) -> None:
        super().__init__(*secrets)
        self.lock = asyncio.Lock()

    async def read(self, receive: Any) -> bytes:
        async with self.lock:
            return await super().read(receive)


@_defect("slow.request", severity="should")
class ReadsTheFirstPieceAlone(Receiver):
    async def read(self, receive: Any) -> bytes:
        body: bytes = (await receive()).get("body", b"")
        return body
