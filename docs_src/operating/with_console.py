import os

from fastapi import FastAPI
from starlette.requests import Request

from ringback import Ringback
from ringback.console import Console

app = FastAPI()
ringback = Ringback(app, database=os.environ.get("DATABASE_URL", "sqlite+aiosqlite:///ringback.db"))
app.mount(
    "/console",
    Console(
        ringback,
        secret=os.environ["CONSOLE_SECRET"],  # at least 32 characters
        base_url=os.environ.get("BASE_URL"),  # https://shop.example: what browsers reach
        title="Shop",
    ),
)


async def operator(request: Request) -> str | None:
    user = request.headers.get("x-authenticated-user")  # set, and never let through, by your proxy
    return user if user in {"ada", "grace"} else None


internal = FastAPI()
internal.mount("/console", Console(ringback, authenticate=operator))
