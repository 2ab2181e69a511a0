import os
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, FastAPI
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from ringback.receiver import Message, Receiver, SqlInbox


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[str] = mapped_column(primary_key=True)
    times_paid: Mapped[int] = mapped_column(default=0)


receiver = Receiver(os.environ["WEBHOOK_SECRET"])
inbox = SqlInbox(Base.metadata)  # its table is made with the others
engine = create_async_engine(os.environ["DATABASE_URL"])
sessions = async_sessionmaker(engine)
app = FastAPI()


async def get_session() -> AsyncIterator[AsyncSession]:
    async with sessions.begin() as session:  # commits when the endpoint is through, before the answer leaves
        yield session


class InvoiceEvent(BaseModel):
    description: str
    paid: bool


@app.post("/events/invoices/{invoice_id}")
async def invoice_notification(
    invoice_id: str,
    event: InvoiceEvent,
    message: Annotated[Message, Depends(receiver)],
    session: Annotated[AsyncSession, Depends(get_session, scope="function")],
) -> dict[str, bool]:
    async with inbox.within(session).once(message.id) as owed:
        if owed and event.paid:
            order = await session.merge(Order(id=invoice_id))
            order.times_paid = (order.times_paid or 0) + 1
    return {"ok": True}
