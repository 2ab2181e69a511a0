"""Plays the provider against a running receiver, with right requests and wrong, and judges its answers."""

from ringback.kit.check._formats import as_json, as_junit, curl
from ringback.kit.check._playing import check_receiver
from ringback.kit.check._results import Flaw, Outcome, Report, Result, Severity

__all__ = ["Flaw", "Outcome", "Report", "Result", "Severity", "as_json", "as_junit", "check_receiver", "curl"]
