"""The independent judge on raw bytes: what leaves the process, and every label, is as documented.

Hypothesis builds 200 apps. Each binds and sends through a Ringback that runs; a real server on a socket keeps
every byte and answers what Hypothesis has chosen; the judge reads nothing but bytes and /openapi.json.
"""

import asyncio
import enum
import inspect
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest
from fastapi import APIRouter, Body, Cookie, FastAPI, Form, Header, Path, Query
from fastapi.responses import PlainTextResponse
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from standardwebhooks import Webhook
from testkit.generated import Kind, kinds, models, nullable, scalars
from testkit.judge import DocumentedCallback, read_raw

from ringback import ContractBreach, Exchange, Ringback

APPS, PARTS = 200, 4
number = itertools.count()


class Level(enum.Enum):
    LOW = "low"
    HIGH = 2


class Page(BaseModel):
    page: int = 1
    order: list[str] = []
    after: str | None = None


class Card(BaseModel):
    holder: str
    digits: list[int] = []
    note: str | None = None


words = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=8).map(str.strip)
any_text = st.text(max_size=8)
TEXTS = [
    Kind(int, st.integers(-(10**20), 10**20)),
    Kind(bool, st.booleans()),
    Kind(float, st.floats(allow_nan=False, allow_infinity=False)),
    Kind(Level, st.sampled_from(Level)),
    Kind(Literal["a", "b"], st.sampled_from(["a", "b"])),
]
in_headers = st.sampled_from([Kind(str, words), *TEXTS])
in_urls = st.sampled_from([Kind(str, any_text), *TEXTS])


@dataclass(frozen=True)
class Argument:
    name: str
    annotation: Any
    values: st.SearchStrategy[Any]
    default: Any = inspect.Parameter.empty

    @property
    def parameter(self) -> inspect.Parameter:
        kind = inspect.Parameter.KEYWORD_ONLY
        return inspect.Parameter(self.name, kind, default=self.default, annotation=self.annotation)


def some(kind: Kind) -> Kind:
    """A list that is not empty: where it is required it could not be told from none at all."""
    return Kind(list[kind.type], st.lists(kind.values, min_size=1, max_size=3))  # type: ignore[name-defined]


@st.composite
def parameters(draw: st.DrawFn, place: str, marker: Any, one: st.SearchStrategy[Kind]) -> list[Argument]:
    found = []
    for index in range(draw(st.integers(0, 2))):
        kind, name = draw(one), f"{place}_{index}"
        alias = {"alias": f"{place}.{index}"} if draw(st.integers(0, 3)) == 0 else {}
        match draw(st.integers(0, 3)):
            case 0:
                kind = nullable(kind)
                found.append(Argument(name, Annotated[kind.type, marker(**alias)], kind.values, None))
            case 1:
                kind = some(kind)
                found.append(Argument(name, Annotated[kind.type, marker(**alias)], kind.values))
            case 2:
                found.append(
                    Argument(name, Annotated[kind.type, marker(**alias)], kind.values, draw(kind.values))
                )
            case _:
                found.append(Argument(name, Annotated[kind.type, marker(**alias)], kind.values))
    return found


@st.composite
def bodies(draw: st.DrawFn) -> list[Argument]:
    def body(name: str, **options: Any) -> Argument:
        kind = draw(models(kinds) | kinds)
        return Argument(name, Annotated[kind.type, Body(**options)], kind.values)

    match draw(st.integers(0, 8)):
        case 0:
            return []
        case 1:
            return [body("first"), body("second", alias="2nd")]
        case 2:
            return [body("wrapped", embed=True)]
        case 3:
            kind = nullable(draw(models(kinds)))
            return [Argument("maybe", Annotated[kind.type, Body()], kind.values, None)]
        case 4:
            values = st.builds(
                Card, holder=any_text, digits=st.lists(st.integers()), note=st.none() | any_text
            )
            return [Argument("card", Annotated[Card, Form()], values)]
        case 5:
            one, many, none = draw(in_urls), some(draw(in_urls)), nullable(draw(in_urls))
            return [
                Argument("field", Annotated[one.type, Form()], one.values),
                Argument("fields", Annotated[many.type, Form(alias="f.s")], many.values),
                Argument("nothing", Annotated[none.type, Form()], none.values, None),
            ]
        case 6:
            return [Argument("text", Annotated[str, Body(media_type="text/plain")], any_text.filter(bool))]
        case _:
            return [body("body")]


@dataclass
class Callback:
    """One generated callback: how it is declared, what is sent, and how the receiver will answer."""

    function: Any
    key: str
    method: str
    options: dict[str, Any]
    values: dict[str, Any]
    base: str
    answer: tuple[int, str, bytes]
    name: str = field(default_factory=lambda: f"callback_{next(number)}")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | any_text,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(any_text, inner, max_size=2),
    max_leaves=4,
)
seldom = st.integers(0, 6).map(lambda n: n == 6)
ORDER_ID = "$request.body#/id"


@st.composite
def callbacks(draw: st.DrawFn) -> Callback:
    header = draw(parameters("x", Header, in_headers))
    query = draw(parameters("q", Query, in_urls))
    cookie = draw(parameters("c", Cookie, in_urls))
    path = [
        Argument(
            f"p{i}", Annotated[kind.type, Path()], kind.values.filter(lambda v: v not in {"", ".", ".."})
        )
        for i, kind in enumerate(draw(st.lists(in_urls, max_size=2)))
    ]
    if draw(st.integers(0, 4)) == 0:
        page = st.builds(Page, page=st.integers(), order=st.lists(any_text, max_size=2), after=any_text)
        query = [Argument("page", Annotated[Page, Query()], page)]
    arguments = [*path, *draw(bodies()), *header, *query, *cookie]
    segments = [f"{{{argument.name}}}" for argument in path] + draw(
        st.lists(st.sampled_from(["events", "a%20b", f"{{{ORDER_ID}}}", "{$request.body.id}"]), max_size=2)
    )
    hook = draw(st.sampled_from(["{$hook}", "{$request.query.hook}"]))
    key = "/".join([hook, *draw(st.permutations(segments))])
    if draw(st.integers(0, 3)) == 0:
        key += f"?of={{{ORDER_ID}}}" if "/" in key else f"/?of={{{ORDER_ID}}}"
    answers = draw(models(kinds) | scalars | st.just(Kind(None, st.none())))
    status = draw(st.sampled_from([200, 201, 202]))
    options: dict[str, Any] = {"status_code": status, "response_model": answers.type}
    if draw(st.integers(0, 5)) == 0:
        options |= {"responses": {"2XX": {"model": draw(models(kinds)).type}}}
    if draw(st.integers(0, 9)) == 0:
        options |= {"response_class": PlainTextResponse, "response_model": str}

    def function() -> None: ...

    function.__signature__ = inspect.Signature([a.parameter for a in arguments])  # type: ignore[attr-defined]
    given_values = {
        a.name: draw(a.values)
        for a in arguments
        if a.default is inspect.Parameter.empty or draw(st.booleans())
    }
    base = draw(st.sampled_from(["", "/", "/e", "/e/", "/e?t=1", "/caf%C3%A9?a=b&a=c"]))
    method = draw(st.sampled_from(["post", "post", "put", "patch", "delete"]))
    return Callback(function, key, method, options, given_values, base, draw(replies(status, answers)))


@st.composite
def replies(draw: st.DrawFn, status: int, answers: Kind) -> tuple[int, str, bytes]:
    sent = draw(json_values if draw(seldom) else answers.values)
    if isinstance(sent, BaseModel):
        sent = sent.model_dump(mode="json", by_alias=True, warnings=False)
    raw = json.dumps(sent, default=str).encode()
    raw = draw(st.sampled_from([b"", b"OK", b'{"a":'])) if draw(seldom) else raw
    media_type = draw(st.sampled_from(["text/plain", "text/html"])) if draw(seldom) else "application/json"
    return draw(st.sampled_from([200, 203])) if draw(seldom) else status, media_type, raw


class Server:
    """Answers by the first segment of the path, and keeps every byte that comes."""

    def __init__(self) -> None:
        self.raw: dict[str, bytes] = {}
        self.answers: dict[str, tuple[int, str, bytes]] = {}
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = [
                    int(x)
                    for line in head.split(b"\r\n")
                    if (x := line.lower().partition(b"content-length: ")[2])
                ]
                body = await reader.readexactly(sum(length))
                name = head.split(b" ")[1].split(b"/")[1].split(b"?")[0].decode()
                assert name not in self.raw
                self.raw[name] = head + body
                status, media_type, answer = self.answers[name]
                writer.write(
                    f"HTTP/1.1 {status} -\r\ncontent-type: {media_type}\r\n"
                    f"content-length: {len(answer)}\r\n\r\n".encode()
                    + answer
                )
        except asyncio.IncompleteReadError:
            writer.close()


@dataclass
class Stage:
    """What all examples share: a loop, a server, a database that was migrated once."""

    runner: asyncio.Runner
    server: Server
    database: AsyncEngine


@pytest.fixture
def stage(sqlite_url: str) -> Iterator[Stage]:
    server = Server()

    engine = create_async_engine(sqlite_url)
    Ringback.configure_sqlite(engine)

    async def open_() -> asyncio.Server:
        await Ringback(database=engine).migrate()
        return await asyncio.start_server(server.serve, "127.0.0.1", 0)

    with asyncio.Runner() as runner:
        listening = runner.run(open_())
        server.port = listening.sockets[0].getsockname()[1]
        yield Stage(runner, server, engine)
        listening.close()
        runner.run(listening.wait_closed())
        runner.run(engine.dispose())


class Order(BaseModel):
    id: str


def build(found: list[Callback]) -> FastAPI:
    app, router = FastAPI(), APIRouter()
    for one in found:
        getattr(router, one.method)(one.key, name=one.name, **one.options)(one.function)

    @app.post("/orders", callbacks=router.routes, operation_id="create_order")
    def create_order(order: Order, hook: str) -> None: ...

    return app


async def deliver(stage: Stage, app: FastAPI, found: list[Callback], order: str) -> dict[str, Any]:
    """Bind and send each callback of an app under its own key; what was recorded of those that were sent."""
    ringback = Ringback(app, database=stage.database, allow_networks=["127.0.0.0/8"])
    sent: dict[str, str] = {}
    async with ringback.running():
        for one in found:
            stage.server.answers[one.name] = one.answer
            url = f"http://127.0.0.1:{stage.server.port}/{one.name}{one.base}"
            exchange = Exchange(query={"hook": url}, body={"id": order})
            async with ringback.transaction() as session:
                await ringback.bind(session, "create_order", key=one.name, exchange=exchange)
                try:
                    delivery = await ringback.to(session, key=one.name).send(one.function, **one.values)
                except ContractBreach as breach:
                    event(f"refused: {str(breach).split(' at ')[0].split(': ', 1)[1][:40]}")
                else:
                    assert delivery is not None
                    sent[one.name] = delivery.id
        await ringback.drain()
        async with ringback.transaction() as session:
            secret = await ringback.signing_secret(session)
            reports = {name: (await ringback.deliveries(session, key=name))[0] for name in sent}
    for name, message_id in sent.items():
        captured = read_raw(stage.server.raw[name])
        assert captured.header("webhook-id") == [message_id]
        Webhook(secret).verify(captured.body, dict(captured.headers), json_parse=False)
    return reports


@pytest.mark.parametrize("part", range(PARTS))
def test_every_request_and_every_label_is_what_the_document_says(stage: Stage, part: int) -> None:
    counts = {"sent": 0, "breach": 0}

    @given(st.lists(callbacks(), min_size=1, max_size=3), any_text.filter(lambda t: t not in {"", ".", ".."}))
    @settings(
        max_examples=APPS // PARTS,
        deadline=None,
        phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    def story(found: list[Callback], order: str) -> None:
        for one in found:
            one.name = f"callback_{next(number)}"
        app = build(found)
        reports = stage.runner.run(deliver(stage, app, found, order))
        document = json.loads(json.dumps(app.openapi()))
        for one in found:
            if one.name not in reports:
                assert one.name not in stage.server.raw
                continue
            counts["sent"] += 1
            captured = read_raw(stage.server.raw[one.name])
            documented = DocumentedCallback(document, "/orders", "post", one.name)
            base = f"http://127.0.0.1:{stage.server.port}/{one.name}{one.base}"
            documented.judge_request(captured, base, {ORDER_ID: order})
            breach = reports[one.name].breach
            as_documented = documented.is_answer_documented(*one.answer)
            counts["breach"] += breach is not None
            assert (breach is None or breach.startswith("as documented")) == as_documented, breach

    story()
    assert counts["sent"] > APPS // PARTS // 2
    assert min(counts["breach"], counts["sent"] - counts["breach"]) > 2
