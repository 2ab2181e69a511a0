"""The invoicing service of FastAPI's callbacks tutorial, complete, built on Ringback."""

__version__ = "0.1.0"
