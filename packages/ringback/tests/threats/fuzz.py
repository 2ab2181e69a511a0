"""Fuzz what strangers' bytes come to: the URL they name, the answer they give, the request they forge.

    python packages/ringback/tests/threats/fuzz.py url --seconds 600

Each target holds one promise and raises AssertionError, or whatever else it was not meant to raise, where
that is broken; the bytes that did it are then written to ``crash-…`` in this folder, to be tried again by
naming the file. Where atheris is installed (`pip install atheris`), it looks for new ways through the code;
else the seeds are mutated at random, and ``--seed`` makes that repeatable.
"""

import argparse
import asyncio
import hashlib
import random
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
sys.path.insert(0, str(ROOT))

from testkit.connects import recorded_connects  # noqa: E402 - the line above finds it
from testkit.corpus import read_corpus  # noqa: E402

from ringback._addresses import judge_address  # noqa: E402
from ringback._errors import InvalidUrl  # noqa: E402
from ringback._guard import DEFAULT_PORTS, Guard, NetworkPolicy  # noqa: E402
from ringback._message import Failure, Limits, Request, encode_head  # noqa: E402
from ringback._response import ResponseReader  # noqa: E402
from ringback._transport import Transport  # noqa: E402
from ringback._urls import IPAddress, parse_url  # noqa: E402
from ringback.receiver import InvalidSignature, Receiver  # noqa: E402

Target = Callable[[bytes], None]

SPLIT = b"\x00\xff"
"""Between the parts of an input that has several."""


# --- the targets -------------------------------------------------------------------------------------------


def url(data: bytes) -> None:
    """If a URL is accepted, what is connected to is public, and the request line holds one CRLF.

    The input is the URL and, after SPLIT, what its name resolves to: addresses of four or sixteen bytes.
    """
    text, _, packed = data.partition(SPLIT)
    try:
        request = Request("POST", parse_url(text.decode("utf-8", "surrogateescape")), (), b"{}")
    except InvalidUrl:
        return
    answers = _addresses(packed)
    with recorded_connects() as connects:
        asyncio.run(_attempt(request, answers))
    for address, port in connects:
        assert judge_address(ip_address(address)) is None, address
        assert port in DEFAULT_PORTS, port
    line, crlf, _ = encode_head(request).partition(b"\r\n")
    assert crlf
    assert not set(line) - set(range(0x20, 0x7F)), line
    assert line.split(b" ")[0::2] == [b"POST", b"HTTP/1.1"], line
    assert encode_head(request).endswith(b"\r\n\r\n")
    assert encode_head(request).count(b"\r\n\r\n") == 1


def _addresses(packed: bytes) -> list[IPAddress]:
    found: list[IPAddress] = []
    while packed:
        size = 4 if len(packed) % 16 else 16
        part, packed = packed[:size], packed[size:]
        with suppress(ValueError):
            found.append(IPv4Address(part) if size == 4 else IPv6Address(part))
    return found or [ip_address("93.184.215.14")]


class _Answers:
    def __init__(self, answers: list[IPAddress]) -> None:
        self._answers = answers

    async def resolve(self, _host: str) -> Sequence[IPAddress]:
        return self._answers


async def _attempt(request: Request, answers: list[IPAddress]) -> None:
    transport = Transport(Guard(NetworkPolicy(), _Answers(answers)))
    try:
        await transport.send(request, timeout=5)
    except Failure:
        return
    finally:
        await transport.close()
    raise AssertionError("a request was answered although nothing was connected to")


def answer(data: bytes) -> None:
    """An answer ends as one or as a named failure, within its limits, however its bytes arrive."""
    limits = Limits(head=4096, body=2048)
    whole = _read(data, limits, len(data) or 1)
    assert whole == _read(data, limits, 1)
    assert whole == _read(data, limits, 7)


def _read(data: bytes, limits: Limits, step: int) -> tuple[object, ...]:
    reader = ResponseReader("POST", limits)
    for start in range(0, len(data), step):
        if reader.feed(data[start : start + step]):
            break
    reader.end_of_file(None)
    assert reader.done
    assert len(reader.body) <= limits.body
    if reader.failure is not None:
        return (reader.failure.reason,)
    assert 200 <= reader.status_code <= 999
    assert not any(set(f"{name}{value}") & set("\r\n\0") for name, value in reader.headers)
    return (reader.status_code, reader.headers, reader.body)


def signature(data: bytes) -> None:
    """No request that strangers make up is accepted, and none raises anything but `InvalidSignature`.

    The input is the three headers and the body, with SPLIT between them.
    """
    parts = [part.decode("latin-1") for part in data.split(SPLIT)]
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    receiver = Receiver("whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", clock=lambda: 1_700_000_000.0)
    try:
        receiver.verify(list(zip(names, parts, strict=False)), data, "/invoices/1")
    except InvalidSignature:
        return
    raise AssertionError("a forgery was accepted")


TARGETS: dict[str, Target] = {"url": url, "answer": answer, "signature": signature}

HEAD = b"HTTP/1.1 200 OK\r\n"
SEEDS: dict[str, list[bytes]] = {
    "url": [
        row.url.encode("utf-8", "surrogatepass")
        + SPLIT
        + b"".join(ip_address(a.partition("%")[0]).packed for answers in row.answers[:1] for a in answers)
        for row in read_corpus()
    ],
    "answer": [
        HEAD + b"Content-Length: 2\r\n\r\n{}",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n2;a=b\r\n{}\r\n0\r\nX: y\r\n\r\n",
        HEAD + b"Content-Encoding: gzip\r\nConnection: close\r\n\r\n\x1f\x8b",
        b"HTTP/1.1 103 Early\r\nLink: <x>\r\n\r\n" + HEAD + b"\r\n",
        b"HTTP/1.0 204 N\r\n\r\n" + HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    ],
    "signature": [
        SPLIT.join((b"msg_1_abcdef12", b"1700000000", b"v1,bm8= v1a,bm8=", b'{"paid":true}')),
        SPLIT.join((b"a.b", b"1.7e9", b"v1," + b"A" * 44, b"")),
    ],
}
PIECES = [
    *(b"\r\n", b"\0", b" ", b"\t", b"@", b"#", b"\\", b"%00", b"%0d%0a", b"[::1]", b"127.0.0.1", b"0x7f.1"),
    *(
        b"169.254.169.254",
        b"\xe2\x91\xa0",
        b"\xef\xbc\x8e",
        b"..",
        b"//",
        b"?",
        b":443",
        b"Content-Length: 1\r\n",
    ),
    *(b"Transfer-Encoding: chunked\r\n", b"ffffffff\r\n", b"HTTP/2.0", b"v1,", b"whsec_", b"=", b"-1", SPLIT),
]


# --- running them ------------------------------------------------------------------------------------------


def mutated(chance: random.Random, seeds: list[bytes]) -> bytes:
    """A seed with some of its bytes changed, doubled, taken out, or exchanged for pieces and other seeds."""
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.randint(1, 6)):
        start = chance.randint(0, len(data))
        end = min(len(data), start + chance.choice((0, 0, 1, 2, 8, 32)))
        kind = chance.randrange(5)
        if kind == 0 and start < len(data):
            data[start] ^= 1 << chance.randrange(8)
        elif kind == 1:
            data[start:end] = chance.choice(PIECES)
        elif kind == 2:
            data[start:end] = data[start:end] * 2
        elif kind == 3:
            other = chance.choice(seeds)
            data[start:end] = other[chance.randrange(len(other) + 1) :][: chance.randint(0, 40)]
        else:
            data[start:end] = chance.randbytes(chance.randint(0, 4))
    return bytes(data[:4096])


def tried(target: Target, data: bytes) -> None:
    """One input; one that breaks the promise is kept in a file."""
    try:
        target(data)
    except BaseException:
        kept = Path(f"crash-{hashlib.sha256(data).hexdigest()[:12]}")
        kept.write_bytes(data)
        print(f"{data!r}\nbreaks the promise of {target.__name__!r}; kept in {kept}", file=sys.stderr)
        raise


def at_random(target: Target, seeds: list[bytes], *, runs: int, seconds: float, seed: int) -> int:
    """Try mutated seeds until `runs` are done or the time is over (0: no such limit); how many were tried."""
    chance, begun, done = random.Random(seed), time.monotonic(), 0
    while (not runs or done < runs) and (not seconds or time.monotonic() - begun < seconds):
        tried(target, mutated(chance, seeds) if done >= len(seeds) else seeds[done])
        done += 1
    return done


def by_atheris(target: Target, seeds: list[bytes], *, runs: int, seconds: float, seed: int) -> None:
    """Let atheris choose the inputs; it ends the process itself."""
    import atheris  # type: ignore[import-untyped,import-not-found,unused-ignore]

    corpus = Path(f".fuzz-{target.__name__}")
    corpus.mkdir(exist_ok=True)
    for number, data in enumerate(seeds):
        (corpus / f"seed-{number}").write_bytes(data)
    atheris.instrument_all()
    options = [f"-runs={runs or -1}", f"-max_total_time={int(seconds)}", f"-seed={seed}", "-max_len=4096"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], target)
    atheris.Fuzz()


def main() -> None:
    """Read the command line and fuzz one target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("files", nargs="*", type=Path, help="inputs to try again, and nothing else")
    parser.add_argument("--runs", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--at-random", action="store_true", help="without atheris, even where it is installed"
    )
    asked = parser.parse_args()
    target, seeds = TARGETS[asked.target], SEEDS[asked.target]
    for file in asked.files:
        target(file.read_bytes())
    if asked.files:
        return
    limits = {"runs": asked.runs, "seconds": asked.seconds, "seed": asked.seed}
    if not asked.at_random:
        with suppress(ImportError):
            by_atheris(target, seeds, **limits)
    print(f"{at_random(target, seeds, **limits):,} inputs, and the promise held")


if __name__ == "__main__":
    main()
