"""Receivers need nothing of ours: others' programs verify what is sent, and refuse what was altered."""

import base64
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from ringback import _jwks
from ringback._signing import new_secret

HERE = Path(__file__).parent
EVENT = {"description": "Payment celebration", "paid": True}

Provider = Any


async def test_the_library_of_pypi_accepts_both_secrets_of_a_rotation_and_no_other(
    provider: Provider,
) -> None:
    old = await provider.ask(provider.ringback.signing_secret, owner="acme")
    new = await provider.ask(provider.ringback.rotate_secret, owner="acme")
    await provider.ask(provider.ringback.public_key, owner="acme")
    request = await provider.called("acme")
    for secret in (old, new):
        assert Webhook(secret).verify(request.body, dict(request.headers)) == EVENT
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(request.body, dict(request.headers))


@pytest.mark.long
async def test_the_library_of_npm_and_nodes_own_cryptography_accept_and_refuse_the_same(
    provider: Provider, tmp_path: Path
) -> None:
    await provider.ask(provider.ringback.signing_secret, owner="acme")
    secret = await provider.ask(provider.ringback.rotate_secret, owner="acme")
    public = await provider.ask(provider.ringback.public_key, owner="acme")
    await provider.ask(provider.ringback.public_key, owner="other")
    mine, theirs = await provider.called("acme"), await provider.called("other")
    sent = [_described(mine), _described(mine, body=mine.body.replace(b"true", b"1")), _described(theirs)]
    keys = _jwks.jwks([("mine", public)])["keys"]

    answers = _run_node(tmp_path, {"secret": secret, "keys": keys, "requests": sent})

    refused = {"v1": "WebhookVerificationError", "v1a": False}
    assert answers == [{"v1": EVENT, "v1a": True}, refused, refused]


def _described(request: Any, *, body: bytes | None = None) -> dict[str, Any]:
    raw = request.body if body is None else body
    return {"headers": dict(request.headers), "body": base64.b64encode(raw).decode()}


def _run_node(folder: Path, value: Any) -> Any:
    node, npm = shutil.which("node"), shutil.which("npm")
    assert node, "this test needs Node.js (Debian: apt-get install nodejs npm)"
    assert npm, "this test needs npm, which comes with Node.js"
    install = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "standardwebhooks@1"]
    installed = subprocess.run(install, cwd=folder, capture_output=True, text=True, check=False)
    assert installed.returncode == 0, installed.stderr
    ran = subprocess.run(
        [node, str(HERE / "verify.mjs"), str(folder)],
        input=json.dumps(value),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)
