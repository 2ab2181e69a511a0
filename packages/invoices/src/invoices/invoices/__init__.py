"""Invoices: made by an API user, sent to a customer, paid, and called back about."""
