"""Every table of the service in one place: importing this module makes all of them known."""

from invoices.database import Base

__all__ = ["metadata"]

metadata = Base.metadata
