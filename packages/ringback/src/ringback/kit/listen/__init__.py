"""A local external API: takes callbacks, judges them by the document, answers, and shows them."""

from ringback.kit.listen._checks import Check, Finding
from ringback.kit.listen._feed import whole
from ringback.kit.listen._journal import Entry, Journal
from ringback.kit.listen._listener import Listener
from ringback.kit.listen._serving import open_port, run
from ringback.kit.listen._signatures import keys_of_jwks

__all__ = ["Check", "Entry", "Finding", "Journal", "Listener", "keys_of_jwks", "open_port", "run", "whole"]
