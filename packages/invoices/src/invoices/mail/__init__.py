"""Invoices by e-mail: queued with the invoice, sent by Ringback's worker."""
