"""A payment provider that speaks like Stripe and moves no money: the same code runs offline and live."""

from invoices.payments.sandbox.app import Sandbox, SandboxConfig

__all__ = ["Sandbox", "SandboxConfig"]
