import os
from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI
from pydantic import BaseModel, HttpUrl
from sqlmodel import Field, Session, SQLModel, create_engine

from ringback import Callbacks, Ringback

engine = create_engine(os.environ.get("DATABASE_URL", "sqlite:///invoices.db"))
Ringback.configure_sqlite(engine)

app = FastAPI()
ringback = Ringback(app, database=engine, allow_networks=os.environ.get("ALLOW_NETWORKS", "").split())


class Invoice(SQLModel, table=True):
    id: str = Field(primary_key=True)
    customer: str
    paid: bool = False


class InvoiceEvent(BaseModel):
    description: str
    paid: bool


def get_session() -> Iterator[Session]:
    with Session(engine) as session, session.begin():
        yield session


# "function": committed before the answer leaves.
SessionDep = Annotated[Session, Depends(get_session, scope="function")]

invoices_callback_router = APIRouter()


@invoices_callback_router.post("{$callback_url}/invoices/{$request.body.id}")
def invoice_notification(body: InvoiceEvent) -> None: ...


@app.post("/invoices/", callbacks=invoices_callback_router.routes)
def create_invoice(
    invoice: Invoice, callbacks: Callbacks, session: SessionDep, callback_url: HttpUrl | None = None
) -> dict[str, str]:
    session.add(invoice)
    callbacks.bind(session, key=invoice.id)  # no await: the session is not async, so neither is this
    return {"msg": "Invoice received"}


@app.post("/payments/{invoice_id}")
def payment_arrived(invoice_id: str, session: SessionDep) -> dict[str, str]:
    session.get_one(Invoice, invoice_id).paid = True
    event = InvoiceEvent(description="Payment celebration", paid=True)
    ringback.to(session, key=invoice_id).send(invoice_notification, event)
    return {"msg": "Thank you"}
