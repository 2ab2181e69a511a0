"""The PDF of an invoice."""

from invoices.pdf.document import InvoicePdf, PdfFailed, PdfLine, PdfRefused, PdfTax, PdfTimeout
from invoices.pdf.render import Renderer, render, render_invoice

__all__ = [
    "InvoicePdf",
    "PdfFailed",
    "PdfLine",
    "PdfRefused",
    "PdfTax",
    "PdfTimeout",
    "Renderer",
    "render",
    "render_invoice",
]
