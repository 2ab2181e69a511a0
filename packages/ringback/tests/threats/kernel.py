"""The corpus against the kernel: a real worker in a network of its own, canaries inside it, a world outside.

    unshare --net --mount python kernel.py < JOB > FINDINGS

In this network every address of the inside that matters is this machine's and has a server on it, the canary.
Public addresses are those of a second network behind a virtual cable, where real receivers listen. A name
server of our own answers as the corpus says, and every packet that opens a connection is written down. The
worker, its resolver, its transport and its database are the real ones.
"""

import asyncio
import json
import os
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import trustme
from dnslib import AAAA, CNAME, QTYPE, RCODE, RR, A, DNSRecord
from dnslib.server import DNSLogger, DNSServer
from fastapi import FastAPI
from sqlalchemy import Connection, text

from ringback import RetrySchedule, Ringback
from ringback._store import reports
from ringback.testing import drain

PORTS = (80, 443, 8080, 8443)
ALARMED = (*PORTS, 22, 25, 53, 81, 2375, 5432, 6379, 8000, 9200, 11211)
INSIDE = """
    10.0.0.1 10.0.0.5 10.0.0.6 10.96.0.1 10.96.0.2 100.64.0.1 100.100.100.200 168.63.129.16 169.254.169.253
    169.254.169.254 169.254.170.2 172.16.0.1 192.0.0.192 192.168.0.1 192.168.1.1 192.168.65.2 198.19.0.1
    fc00::1 fd00::1 fd00:ec2::23 fd00:ec2::254 fd20:ce::254 64:ff9b::a00:1 64:ff9b::a9fe:a9fe
    2002:a9fe:a9fe::1 ::7f00:1 ::a9fe:a9fe
"""
SAID = (
    "SELECT m.callback, a.verdict FROM ringback_attempts a JOIN ringback_messages m ON m.id = a.delivery_id"
)
ETHERNET, IPV4, IPV6, TCP, UDP, SYN, ACK = 14, 0x0800, 0x86DD, 6, 17, 0x02, 0x10


def ip(*words: str, check: bool = True) -> None:
    """One command of iproute2."""
    subprocess.run(["ip", *words], check=check, stdout=subprocess.DEVNULL, stderr=sys.stderr)


# --- the world outside --------------------------------------------------------------------------------------


class World:
    """A second network with the public addresses, and receivers on them that acknowledge everything."""

    def __init__(self, addresses: list[str], certificate: str) -> None:
        command = ["unshare", "--net", sys.executable, __file__, "world"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        assert self.process.stdin is not None
        assert self.process.stdout.readline() == "unshared\n"
        ip(
            "link",
            "add",
            "name",
            "cable",
            "type",
            "veth",
            "peer",
            "name",
            "plug",
            "netns",
            str(self.process.pid),
        )
        ip("address", "add", "198.18.0.2/30", "dev", "cable")
        ip("link", "set", "cable", "up")
        ip("-6", "address", "add", "fd99::2/64", "dev", "cable", "nodad")
        print(
            json.dumps({"addresses": addresses, "certificate": certificate}),
            file=self.process.stdin,
            flush=True,
        )
        assert self.process.stdout.readline() == "ready\n"
        ip("route", "add", "default", "via", "198.18.0.1")
        ip("-6", "route", "add", "default", "via", "fd99::1")

    def end(self) -> None:
        """Take it down."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(10)


def be_the_world() -> None:
    """Runs in the second network until standard input ends."""
    print("unshared", flush=True)
    job = json.loads(sys.stdin.readline())
    ip("link", "set", "lo", "up")
    ip("address", "add", "198.18.0.1/30", "dev", "plug")
    ip("link", "set", "plug", "up")
    ip("-6", "address", "add", "fd99::1/64", "dev", "plug", "nodad")
    for address in job["addresses"]:
        six = ":" in address
        ip("address", "add", f"{address}/{128 if six else 32}", "dev", "lo", *(["nodad"] if six else []))
    asyncio.run(_receive(job["certificate"]))


async def _receive(certificate: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.partition(b":")[2]))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        writer.close()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    for port in PORTS:
        await asyncio.start_server(
            answer, ["0.0.0.0", "::"], port, ssl=context if port % 1000 == 443 else None
        )
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)


# --- the network inside -------------------------------------------------------------------------------------


class Canaries:
    """Servers on every port and address of the inside; each connection that one accepts is an alarm."""

    def __init__(self) -> None:
        self.alarms: list[tuple[str, int]] = []
        for port in ALARMED:
            for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
                listener = socket.create_server((host, port), family=family)
                threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            connection, _ = listener.accept()
            self.alarms.append(connection.getsockname()[:2])
            connection.close()


class Witness:
    """Reads every frame of every interface: which addresses and ports somebody opens a connection to."""

    def __init__(self) -> None:
        self.opened: set[tuple[str, int]] = set()
        self.sent: set[tuple[str, int]] = set()
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            self._note(self._socket.recv(256))

    def _note(self, frame: bytes) -> None:
        kind = int.from_bytes(frame[12:14])
        if kind == IPV4:
            start = ETHERNET + (frame[ETHERNET] & 15) * 4
            protocol, address = frame[ETHERNET + 9], ip_address(frame[ETHERNET + 16 : ETHERNET + 20])
        elif kind == IPV6:
            start = ETHERNET + 40
            protocol, address = frame[ETHERNET + 6], ip_address(frame[ETHERNET + 24 : ETHERNET + 40])
        else:
            return
        if protocol in (TCP, UDP):
            (port,) = struct.unpack_from("!H", frame, start + 2)
            if protocol == UDP:
                self.sent.add((str(address), port))
            elif frame[start + 13] & (SYN | ACK) == SYN:
                self.opened.add((str(address), port))


class Names:
    """The name server: answers as the corpus says, counts questions, and knows a search domain's trap."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.asked: Counter[str] = Counter()
        self._answers = {row["host"]: row["answers"] for row in rows if row["host"]}
        self._faults = {row["host"]: row["fault"] for row in rows if row.get("fault")}
        quiet = DNSLogger(logf=lambda _text: None)
        server = DNSServer(self, address="127.0.0.1", port=53, logger=quiet)
        server.start_thread()
        self._settings = Path(tempfile.mkdtemp())
        self._cover(
            "/etc/resolv.conf",
            "nameserver 127.0.0.1\nsearch trap.example.net\noptions timeout:1 attempts:1\n",
        )
        self._cover("/etc/nsswitch.conf", "hosts: files dns\n")
        self._cover("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n")

    def _cover(self, path: str, text: str) -> None:
        own = self._settings / Path(path).name
        own.write_text(text)
        subprocess.run(["mount", "--bind", str(own), os.path.realpath(path)], check=True)

    def resolve(self, request: DNSRecord, _handler: Any) -> DNSRecord:
        """Answer one question."""
        reply = request.reply()
        name, kind = str(request.q.qname).rstrip(".").lower(), QTYPE[request.q.qtype]
        number = self.asked[f"{name} {kind}"]
        self.asked[f"{name} {kind}"] += 1
        if name in self._faults:
            return self._failed(self._faults[name], name, kind, reply)
        rounds = [["10.0.0.1"]] if name.endswith(".trap.example.net") else self._answers.get(name, [])
        if not rounds:
            reply.header.rcode = RCODE.NXDOMAIN
            return reply
        for address in rounds[min(number, len(rounds) - 1)]:
            if (":" in address) == (kind == "AAAA"):
                data = AAAA(ip_address(address).exploded) if kind == "AAAA" else A(address)
                reply.add_answer(RR(name, request.q.qtype, ttl=0, rdata=data))
        return reply

    def _failed(self, fault: str, name: str, kind: str, reply: DNSRecord) -> DNSRecord:
        """How name servers fail; of a thousand answers the last one is bad."""
        if fault == "servfail":
            reply.header.rcode = RCODE.SERVFAIL
        elif fault == "silent":
            time.sleep(3)
        elif fault == "loop":
            for one, other in ((name, f"other.{name}"), (f"other.{name}", name)):
                reply.add_answer(RR(one, QTYPE.CNAME, ttl=0, rdata=CNAME(other)))
        elif fault == "thousand" and kind == "A":
            for number in range(1000):
                bad = number == 999
                address = "10.0.0.5" if bad else f"93.184.{number // 250}.{number % 250 + 1}"
                reply.add_answer(RR(name, QTYPE.A, ttl=0, rdata=A(address)))
        return reply  # "empty": no error, and no answer


def lay_network() -> None:
    """Give this machine the addresses of the inside."""
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    ip("link", "set", "lo", "up")
    for address in INSIDE.split():
        six = ":" in address
        ip(
            "address",
            "add",
            f"{address}/{128 if six else 32}",
            "dev",
            "lo",
            *(["nodad"] if six else []),
            check=False,
        )


# --- the worker ---------------------------------------------------------------------------------------------


def _store_all(connection: Connection, ringback: Ringback, rows: list[dict[str, Any]]) -> None:
    """Put every row into the outbox as it would stand there if an older policy had accepted it (t44)."""
    for row in rows:
        name = f"row{row['number']}"
        target = ringback._store.targets.add(connection, "", name, name, {name: {"url": row["url"]}})
        values = {
            "message_id": f"msg_{name}_00000000", "channel": "http", "owner": "", "destination": name,
            "endpoint": name, "target_id": target, "sequence": None, "operation": name, "callback": name,
            "contract": None, "method": "POST", "url": row["url"], "headers": [], "body": b"{}",
            "idempotency_key": None, "delay": 0.0,
        }  # fmt: skip
        assert ringback._store.targets.add_delivery(connection, values) is not None


async def deliver(folder: Path, rows: list[dict[str, Any]], roots: ssl.SSLContext) -> dict[str, Any]:
    """Let a worker attempt every row once; returns how each ended."""
    ringback = Ringback(
        FastAPI(),
        database=f"sqlite+aiosqlite:///{folder / 'outbox.db'}",
        secret_key="development",
        schedule=RetrySchedule(delays=(0.0,)),
        ssl_context=roots,
    )
    await ringback.migrate()
    async with ringback.engine.begin() as connection:
        await connection.run_sync(_store_all, ringback, rows)
    async with ringback.running():
        await drain(ringback, timeout=60)
    async with ringback.engine.begin() as connection:
        found = await connection.run_sync(lambda c: reports.list_deliveries(c, limit=10_000))
        said = (await connection.execute(text(SAID))).all()
    await ringback.engine.dispose()
    verdicts = {row.callback: row.verdict for row in said}
    return {
        str(report.callback): [report.state, report.status_code, verdicts[report.callback]]
        for report in found
    }


def main() -> None:
    """Lay the networks, deliver the corpus, and print what was seen."""
    job = json.load(sys.stdin)
    folder, rows = Path(job["folder"]), job["rows"]
    authority = trustme.CA()
    pem = folder / "world.pem"
    authority.issue_cert(*job["hosts"]).private_key_and_cert_chain_pem.write_to_path(str(pem))
    roots = ssl.create_default_context()
    authority.configure_trust(roots)
    lay_network()
    witness, canaries, names = Witness(), Canaries(), Names(rows)
    world = World(job["world"], str(pem))
    ends = asyncio.run(deliver(folder, rows, roots))
    world.end()
    findings = {
        "ends": ends,
        "opened": sorted(witness.opened),
        "sent": sorted(witness.sent),
        "alarms": canaries.alarms,
        "asked": names.asked,
    }
    print(json.dumps(findings))


if __name__ == "__main__":
    be_the_world() if sys.argv[1:] == ["world"] else main()
