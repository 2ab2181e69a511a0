"""A report for programs, and a request for the command line."""

import base64
import re
import shlex
from typing import Any, Final
from xml.etree import ElementTree as Xml

from ringback._message import Request, Response
from ringback.kit.check._results import Flaw, Outcome, Report, Result, Severity

__all__ = ["as_json", "as_junit", "curl"]

_MOST_SHOWN: Final = 4096
_NOT_IN_XML: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def curl(request: Request) -> str:
    """The exact request as a command; it may be refused after five minutes, when its timestamp is old."""
    words = ["curl", "-i", "-X", request.method, str(request.url)]
    for name, value in request.headers:
        words += ["-H", f"{name}: {value}" if value else f"{name};"]
    body = request.body
    if not body:
        return shlex.join(words)
    if len(body) > _MOST_SHOWN:
        return f"{shlex.join(words)} --data-binary @…   # a body of {len(body):,} bytes: use --only"
    text = body.decode("utf-8", "replace")
    if text.encode() == body and "\0" not in text and not text.startswith("@"):
        return f"{shlex.join(words)} --data-binary {shlex.quote(text)}"
    return f"echo {base64.b64encode(body).decode()} | base64 -d | {shlex.join(words)} --data-binary @-"


def as_json(report: Report, *, strict: bool = False) -> dict[str, Any]:
    """The report as a JSON value."""
    must, should = report.failed(Severity.MUST), report.failed(Severity.SHOULD)
    return {
        "ok": not (must or (strict and should)),
        "url": report.url,
        "callback": report.callback,
        "must": len(must),
        "should": len(should),
        "results": [_result(result) for result in report.results],
    }


def as_junit(report: Report, *, strict: bool = False) -> str:
    """The report as JUnit XML: a *should* is a failure only where it is meant `strict`."""
    suite = Xml.Element("testsuite", name=f"ringback check {report.callback}")
    counts = {"tests": len(report.results), "failures": 0, "errors": 0, "skipped": 0}
    for result in report.results:
        case = Xml.SubElement(
            suite, "testcase", classname=f"receiver.{result.severity}", name=_xml(result.name)
        )
        told = "\n\n".join(
            f"{flaw.severity}: {flaw.reason}\n{curl(flaw.sent.request)}" for flaw in result.flaws
        )
        if result.outcome is Outcome.LEFT_OUT:
            counts["skipped"] += 1
            Xml.SubElement(case, "skipped", message=_xml(result.reason))
        elif result.worst is Severity.MUST or (result.worst and strict):
            counts["failures"] += 1
            failure = Xml.SubElement(
                case, "failure", type=str(result.worst), message=_xml(result.flaws[0].reason)
            )
            failure.text = _xml(told)
        elif result.worst:
            Xml.SubElement(case, "system-out").text = _xml(told)
    suite.attrib |= {name: str(number) for name, number in counts.items()}
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(suite, encoding="unicode")


def _result(result: Result) -> dict[str, Any]:
    return {
        "name": result.name,
        "title": result.title,
        "severity": str(result.severity),
        "outcome": str(result.outcome),
        "reason": result.reason,
        "flaws": [_flaw(flaw) for flaw in result.flaws],
    }


def _flaw(flaw: Flaw) -> dict[str, Any]:
    request, answer = flaw.sent.request, flaw.sent.answer
    return {
        "severity": str(flaw.severity),
        "reason": flaw.reason,
        "request": {
            "method": request.method,
            "url": str(request.url),
            "headers": [list(field) for field in request.headers],
            "body": request.body[:_MOST_SHOWN].decode("utf-8", "replace"),
        },
        "answer": {
            "status": answer.status_code,
            "headers": [list(field) for field in answer.headers],
            "body": answer.body[:_MOST_SHOWN].decode("utf-8", "replace"),
        }
        if isinstance(answer, Response)
        else None,
        "seconds": round(flaw.sent.seconds, 3),
        "curl": curl(request),
    }


def _xml(text: str) -> str:
    return _NOT_IN_XML.sub("\ufffd", text)
