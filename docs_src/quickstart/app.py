import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI
from pydantic import BaseModel, HttpUrl
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from ringback import Callbacks, Ringback


class Base(DeclarativeBase):
    pass


class InvoiceRow(Base):
    __tablename__ = "invoices"
    id: Mapped[str] = mapped_column(primary_key=True)
    total: Mapped[str]
    paid: Mapped[bool] = mapped_column(default=False)


engine = create_async_engine(os.environ.get("DATABASE_URL", "sqlite+aiosqlite:///quickstart.db"))
Ringback.configure_sqlite(engine)  # loses no commit; other databases are left as they are
sessions = async_sessionmaker(engine)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield


async def get_session() -> AsyncIterator[AsyncSession]:
    async with sessions.begin() as session:
        yield session


# "function": committed before the answer leaves, so an answer means that it is stored.
SessionDep = Annotated[AsyncSession, Depends(get_session, scope="function")]

app = FastAPI(lifespan=lifespan)
# Callbacks reach public addresses only; to try it on one machine, set ALLOW_NETWORKS=127.0.0.0/8.
ringback = Ringback(app, database=engine, allow_networks=os.environ.get("ALLOW_NETWORKS", "").split())


class Invoice(BaseModel):
    id: str
    customer: str
    total: Decimal


class InvoiceEvent(BaseModel):
    description: str
    paid: bool


class InvoiceEventReceived(BaseModel):
    ok: bool


invoices_callback_router = APIRouter()


@invoices_callback_router.post(
    "{$callback_url}/invoices/{$request.body.id}", response_model=InvoiceEventReceived
)
def invoice_notification(body: InvoiceEvent) -> None:
    """Tell the external API that something happened to the invoice."""


@app.post("/invoices/", callbacks=invoices_callback_router.routes)
async def create_invoice(
    invoice: Invoice, callbacks: Callbacks, session: SessionDep, callback_url: HttpUrl | None = None
) -> dict[str, str]:
    session.add(InvoiceRow(id=invoice.id, total=str(invoice.total)))
    await callbacks.bind(session, key=invoice.id)  # where to call, stored in this transaction
    return {"msg": "Invoice received"}


@app.post("/payments/{invoice_id}")
async def payment_arrived(invoice_id: str, session: SessionDep) -> dict[str, str]:
    (await session.get_one(InvoiceRow, invoice_id)).paid = True
    await ringback.to(session, key=invoice_id).send(
        invoice_notification, InvoiceEvent(description="Payment celebration", paid=True)
    )
    return {"msg": "Thank you"}
