"""The app of FastAPI's callbacks tutorial as it is written: its endpoint stores nothing and calls nobody."""

from fastapi import APIRouter, FastAPI
from pydantic import BaseModel, HttpUrl

app = FastAPI()


class Invoice(BaseModel):
    id: str
    title: str | None = None
    customer: str
    total: float


class InvoiceEvent(BaseModel):
    description: str
    paid: bool


class InvoiceEventReceived(BaseModel):
    ok: bool


invoices_callback_router = APIRouter()


@invoices_callback_router.post(
    "{$callback_url}/invoices/{$request.body.id}", response_model=InvoiceEventReceived
)
def invoice_notification(body: InvoiceEvent) -> None: ...


@app.post("/invoices/", callbacks=invoices_callback_router.routes)
def create_invoice(
    invoice: Invoice,  # noqa: ARG001
    callback_url: HttpUrl | None = None,  # noqa: ARG001
) -> dict[str, str]:
    return {"msg": "Invoice received"}
