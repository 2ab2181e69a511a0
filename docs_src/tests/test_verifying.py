"""The programs of the interop page accept and refuse the same requests, whatever they are written in."""

import base64
import importlib.util
import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ringback._signing import new_message_id, new_secret, sign

PROGRAMS = Path(__file__).resolve().parents[1] / "verifying"
PATH = "/events/invoices/2expen51ve"
EVENT = {"description": "Zoë’s payment celebration", "paid": True}
BODY = json.dumps(EVENT, ensure_ascii=False).encode()
COMPILED = ("--strict", "--module", "nodenext", "--target", "es2022", "--types", "node")
# What reads the cases, calls the program, and writes what came of each.
DRIVER = """
import { verify } from "./verify.js";
const results = JSON.parse(process.argv[2]).map(({ body, headers, path }) => {
  try {
    return verify(Buffer.from(body, "base64"), headers, path);
  } catch (error) {
    return error.constructor.name;
  }
});
console.log(JSON.stringify(results));
"""


def headers(
    *secrets: str, body: bytes = BODY, path: str = PATH, age: int = 0, test: bool = False
) -> dict[str, str]:
    message_id, timestamp = new_message_id(path, is_test=test), int(time.time()) - age
    signature = sign(secrets, message_id, timestamp, body)
    return {"webhook-id": message_id, "webhook-timestamp": str(timestamp), "webhook-signature": signature}


def cases(old: str, new: str) -> list[tuple[dict[str, str], bytes, str, bool]]:
    """Header fields, body, path, and whether to accept."""
    good, stranger = headers(new), new_secret()
    return [
        (good, BODY, PATH, True),
        (headers(new, old), BODY, PATH, True),
        (headers(old), BODY, PATH, True),
        (headers(stranger, old), BODY, PATH, True),
        (headers(new, age=150), BODY, PATH, True),
        (headers(new, test=True), BODY, PATH, True),
        ({**good, "webhook-signature": f"v9,x {good['webhook-signature']}"}, BODY, PATH, True),
        (good, BODY.replace(b"true", b"false"), PATH, False),
        (good, BODY + b" ", PATH, False),
        (good, BODY, "/events/invoices/another", False),
        (headers(stranger), BODY, PATH, False),
        (headers(new, age=450), BODY, PATH, False),
        (headers(new, age=-450), BODY, PATH, False),
        ({**good, "webhook-id": headers(new)["webhook-id"]}, BODY, PATH, False),
        ({**good, "webhook-timestamp": "soon"}, BODY, PATH, False),
        ({**good, "webhook-timestamp": ""}, BODY, PATH, False),
        ({**good, "webhook-signature": "v1"}, BODY, PATH, False),
        ({**good, "webhook-signature": ""}, BODY, PATH, False),
        ({**good, "webhook-signature": good["webhook-signature"][3:]}, BODY, PATH, False),
        ({name: good[name] for name in ("webhook-timestamp", "webhook-signature")}, BODY, PATH, False),
        ({}, BODY, PATH, False),
    ]


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    old, new = new_secret(), new_secret()
    monkeypatch.setenv("WEBHOOK_SECRET", f"{new} {old}")
    return old, new


def load(program: Path) -> Callable[[bytes, dict[str, str], str], Any]:
    spec = importlib.util.spec_from_file_location(f"verifying_{program.stem}", program)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    verify: Callable[[bytes, dict[str, str], str], Any] = module.verify
    return verify


@pytest.mark.parametrize("program", sorted(PROGRAMS.glob("*.py")), ids=lambda path: path.stem)
def test_python(program: Path, secrets: tuple[str, str]) -> None:
    verify = load(program)
    for number, (fields, body, path, accepted) in enumerate(cases(*secrets)):
        if accepted:
            assert verify(body, fields, path) == EVENT, number
        else:
            with pytest.raises(Exception, match=r".") as refused:
                verify(body, fields, path)
            assert type(refused.value).__name__ in {
                "InvalidSignature",
                "WebhookVerificationError",
                "ValueError",
            }


@pytest.mark.long
def test_typescript(secrets: tuple[str, str], tmp_path: Path) -> None:
    shutil.copy(PROGRAMS / "verify.ts", tmp_path)
    (tmp_path / "driver.mjs").write_text(DRIVER)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    node, npm = shutil.which("node"), shutil.which("npm")
    assert node, "this test needs Node.js (Debian: apt-get install nodejs npm)"
    assert npm, "this test needs npm, which comes with Node.js"
    asked = cases(*secrets)
    given = [
        {"body": base64.b64encode(body).decode(), "headers": fields, "path": path}
        for fields, body, path, _ in asked
    ]
    packages = ["standardwebhooks@1", "typescript@5", "@types/node@20"]
    run(tmp_path, npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", *packages)
    run(tmp_path, str(tmp_path / "node_modules/.bin/tsc"), *COMPILED, "verify.ts")
    answers = json.loads(run(tmp_path, node, "driver.mjs", json.dumps(given)))
    assert answers == [EVENT if accepted else "WebhookVerificationError" for *_, accepted in asked]


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
