"""Collecting the money: one provider adapter, the payments of each invoice, and the built-in sandbox."""
