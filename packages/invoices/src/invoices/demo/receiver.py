"""The external API of the demo: a program of its own, built with `ringback.receiver` as outsiders do.

It prints each thing that happens as one line of JSON, for the story on the terminal.
"""

import json
import os
import socket
import sys
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI, Request, Response
from fastapi.exception_handlers import http_exception_handler
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from ringback.receiver import Message, Receiver

__all__ = ["create_app", "main"]


class InvoiceEvent(BaseModel):
    """What the service says: copied from its documentation, under Callbacks."""

    description: str
    paid: bool


class InvoiceEventReceived(BaseModel):
    """What it expects to hear."""

    ok: bool


def create_app(signing_secret: str) -> FastAPI:
    """The external API: one operation, whose requests are verified before anything else reads them."""
    app = FastAPI(title="External API")
    receiver = Receiver(signing_secret)

    @app.post("/events/invoices/{invoice_id}")
    async def invoice_notification(
        invoice_id: str, event: InvoiceEvent, message: Annotated[Message, Depends(receiver)], request: Request
    ) -> InvoiceEventReceived:
        answer = InvoiceEventReceived(ok=True)
        _tell(
            happened="called",
            invoice=invoice_id,
            url=str(request.url),
            message=message.id,
            event=event.model_dump(),
            answer=answer.model_dump(),
        )
        return answer

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        _tell(happened="refused", url=str(request.url), reason=str(error.detail))
        return await http_exception_handler(request, error)

    return app


def main() -> None:
    """Serve on the port of the first argument, or on any free one where that is taken."""
    listener = _listen(int(sys.argv[1]))
    host, port = listener.getsockname()
    _tell(happened="listening", url=f"http://{host}:{port}")
    config = uvicorn.Config(
        create_app(os.environ["SIGNING_SECRET"]), log_level="warning", server_header=False, lifespan="off"
    )
    uvicorn.Server(config).run(sockets=[listener])


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError:
        return socket.create_server(("127.0.0.1", 0))


def _tell(**words: Any) -> None:
    print(json.dumps(words), flush=True)


if __name__ == "__main__":
    main()
