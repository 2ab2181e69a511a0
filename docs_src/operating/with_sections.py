import os
from pathlib import Path

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ringback import Ringback
from ringback.console import Console, Section, page

app = FastAPI()
ringback = Ringback(app, database=os.environ.get("DATABASE_URL", "sqlite+aiosqlite:///ringback.db"))


async def list_orders(request: Request) -> Response:
    return page(request, "orders.html", orders=["2expen51ve"])


orders = Section(
    path="/orders",
    title="Orders",
    letter="r",  # g, then r, goes there by keyboard
    routes=[Route("/orders", list_orders)],
    templates=Path(__file__).parent / "templates",
)
app.mount("/console", Console(ringback, secret=os.environ["CONSOLE_SECRET"], sections=[orders]))
