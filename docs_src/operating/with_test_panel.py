import os
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel

from ringback import Callbacks, Ringback
from ringback.panel import mount_test_panel

API_KEYS = {"key-of-acme": "acme"}  # yours are in a database, as hashes
bearer = HTTPBearer(auto_error=False)


def signed_in(key: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> str:
    if key is None or key.credentials not in API_KEYS:
        raise HTTPException(401, "send your API key", {"WWW-Authenticate": "Bearer"})
    return API_KEYS[key.credentials]


class Order(BaseModel):
    id: str


class OrderShipped(BaseModel):
    parcel: str


class Noted(BaseModel):
    ok: bool


order_callbacks = APIRouter()


@order_callbacks.post("{$request.query.callback_url}/orders/{$request.body#/id}", response_model=Noted)
def order_shipped(body: OrderShipped) -> Any:
    """The order has left."""


app = FastAPI()
ringback = Ringback(
    app,
    database=os.environ.get("DATABASE_URL", "sqlite+aiosqlite:///ringback.db"),
    allow_networks=os.environ.get("ALLOW_NETWORKS", "").split(),
)


@app.post("/orders/", callbacks=order_callbacks.routes)
async def create_order(
    order: Order, callbacks: Callbacks, owner: Annotated[str, Depends(signed_in)], callback_url: str
) -> dict[str, str]:
    async with ringback.transaction() as session:
        await callbacks.bind(session, key=order.id, owner=owner)
    return {"msg": "Order received"}


mount_test_panel(app, dependencies=[Depends(signed_in)], owner=signed_in)
