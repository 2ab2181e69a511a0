"""Threats t01 to t03, t07 and t44 at the last level: what leaves the machine when a worker meets the corpus.

A real worker runs in a network namespace with canaries on the inside and a world behind a virtual cable; no
packet of it can leave this machine. Where no namespaces can be made the tests say so, and fail under ``CI``.
"""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from testkit.corpus import Row, read_corpus

from ringback._urls import literal_address, parse_url

PROGRAM = Path(__file__).with_name("kernel.py")
CORPUS = read_corpus()
ALLOWED = [row for row in CORPUS if row.allowed]
FAULTS = {
    "servfail": "unresolved: ",
    "empty": "unresolved: ",
    "loop": "unresolved: ",
    "silent": "unresolved: ",
    "thousand": "blocked: thousand.faults.example.com resolves to 10.0.0.5",
}
"""How a name server may fail, and what an operator reads then."""


@cache
def unshare() -> tuple[list[str], str]:
    """The command that gives a process namespaces of its own, and why there is none if it is empty."""
    as_root = ["--user", "--map-root-user"] if os.geteuid() else []
    command = ["unshare", *as_root, "--net", "--mount"]
    probe = "ip link add name a type veth peer name b && mount --make-rprivate / && ip link set lo up"
    try:
        tried = subprocess.run([*command, "sh", "-c", probe], capture_output=True, text=True, check=False)
    except OSError as error:
        return [], str(error)
    return (command, "") if tried.returncode == 0 else ([], tried.stderr.strip())


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One run of the whole corpus; every test here reads what it left."""
    command, reason = unshare()
    if not command:
        text = f"no network namespace can be made here, so nothing was shown about the kernel: {reason}"
        if os.environ.get("CI"):
            pytest.fail(text)
        pytest.skip(text)
    folder = tmp_path_factory.mktemp("kernel")
    job = {
        "folder": str(folder),
        "hosts": sorted({parse_url(row.url).host for row in ALLOWED}),
        "world": sorted({address for row in ALLOWED for address in addresses_of(row)}),
        "rows": [
            *(
                {"number": row.number, "url": row.url, "host": host_of(row), "answers": row.answers}
                for row in CORPUS
            ),
            *(
                {"number": fault, "url": f"https://{host}/", "host": host, "answers": [], "fault": fault}
                for fault in FAULTS
                for host in (f"{fault}.faults.example.com",)
            ),
        ],
    }
    ran = subprocess.run(
        [*command, sys.executable, str(PROGRAM)],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert ran.returncode == 0, ran.stderr[-4000:]
    return json.loads(ran.stdout)


def host_of(row: Row) -> str:
    """The name in the URL, read loosely: hostile URLs have hosts too, for lenient parsers."""
    return row.url.partition("://")[2].partition("/")[0].partition("?")[0].partition(":")[0].lower()


def addresses_of(row: Row) -> list[str]:
    """Every address that an allowed row may be connected to."""
    literal = literal_address(parse_url(row.url).host)
    return [str(literal)] if literal is not None else [a for answer in row.answers for a in answer]


def test_t01_no_canary_sings_and_no_packet_goes_to_a_refused_address(findings: Any) -> None:
    assert findings["alarms"] == []
    permitted = {(address, parse_url(row.url).port) for row in ALLOWED for address in addresses_of(row)}
    assert {(address, port) for address, port in findings["opened"]} <= permitted


def test_t01_every_allowed_row_is_delivered(findings: Any) -> None:
    ends = {str(row): findings["ends"][f"row{row.number}"] for row in ALLOWED}
    assert {name: end for name, end in ends.items() if end[:2] != ["delivered", 200]} == {}
    first = {(addresses_of(row)[0], parse_url(row.url).port) for row in ALLOWED}
    assert len(first) > 25
    assert len(findings["opened"]) > 25


def test_t44_every_refused_row_ends_without_an_answer_although_it_was_stored(findings: Any) -> None:
    for row in CORPUS:
        if not row.allowed:
            state, status, verdict = findings["ends"][f"row{row.number}"]
            assert (state, status) == ("dead", None), (row, verdict)


def test_t03_each_name_is_asked_once_for_an_attempt_and_family(findings: Any) -> None:
    rows: dict[str, int] = {}
    for row in CORPUS:
        rows[host_of(row)] = rows.get(host_of(row), 0) + 1
    for question, times in findings["asked"].items():
        name, kind = question.split()
        if name.endswith(".faults.example.com"):
            continue  # the system's resolver asks again by TCP, or where it got no answer
        assert kind in ("A", "AAAA")
        assert times <= rows[name], question


def test_t07_no_public_name_is_asked_under_the_search_domain(findings: Any) -> None:
    """The resolver's settings name the search domain, and every name below it leads inside."""
    assert [question for question in findings["asked"] if "trap.example.net" in question] == []
    assert len(findings["asked"]) > 40
    # Names that do not exist are those that a resolver would go on to look for there.
    lost = [row for row in CORPUS if f"{host_of(row)} A" in findings["asked"] and not row.answers]
    assert len(lost) >= 1
    for row in lost:
        assert findings["ends"][f"row{row.number}"][:2] == ["dead", None]


@pytest.mark.parametrize("fault", FAULTS)
def test_f44_a_name_server_that_fails_costs_one_attempt_and_says_why(findings: Any, fault: str) -> None:
    state, status, verdict = findings["ends"][f"row{fault}"]
    assert (state, status) == ("dead", None)
    assert FAULTS[fault] in verdict


def test_nothing_but_questions_to_the_name_server_goes_by_udp(findings: Any) -> None:
    servers = {(address, port) for address, port in findings["sent"] if port == 53}
    assert servers == {("127.0.0.1", 53)}
