import os

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ringback.receiver import Receiver


async def invoice_notification(request: Request) -> Response:
    event = await request.json()  # verified already
    print(f"{request.path_params['invoice_id']}: {event['description']}")
    return JSONResponse({"ok": True})


receiver = Receiver(os.environ["WEBHOOK_SECRET"])
routes = [Route("/events/invoices/{invoice_id}", invoice_notification, methods=["POST"])]
app = receiver.protect(Starlette(routes=routes), prefix="/events")
