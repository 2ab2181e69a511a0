import base64
import hashlib
import hmac
import re
import subprocess
import sys
from datetime import UTC, datetime

import pytest
import standardwebhooks
from hypothesis import given
from hypothesis import strategies as st

from ringback._errors import RingbackError
from ringback._signing import (
    InvalidSecret,
    InvalidSignature,
    id_names_path,
    new_key_pair,
    new_message_id,
    new_secret,
    path_hash,
    public_key,
    sign,
    verify,
)

NOW = 1_764_000_000
PATH = "/events/invoices/2expen51ve"
BODY = b'{"description":"Payment celebration","paid":true}'
SECRET = new_secret()


def signed(
    *secrets: str, message_id: str = "msg_1", timestamp: int = NOW, body: bytes = BODY
) -> dict[str, str]:
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(secrets or (SECRET,), message_id, timestamp, body),
    }


# --- ids and secrets ---------------------------------------------------------------------------------------


def test_message_ids_use_only_characters_that_cannot_end_the_id_in_the_signed_content() -> None:
    assert re.fullmatch(r"msg_[0-9a-f]{32}_[0-9a-f]{8}", new_message_id(PATH))


def test_message_ids_are_unique_and_sort_by_the_time_they_were_made() -> None:
    ids = [new_message_id(PATH) for _ in range(2000)]
    assert len(set(ids)) == len(ids)
    times = [one[4:16] for one in ids]
    assert times == sorted(times)


def test_a_message_id_names_the_path_that_it_was_made_for_and_no_other() -> None:
    message_id = new_message_id(PATH)
    assert id_names_path(message_id, PATH)
    assert not id_names_path(message_id, PATH + "/")
    assert not id_names_path(message_id.rpartition("_")[0], PATH)
    assert not id_names_path("msg_1", PATH)
    assert not id_names_path("", "")


def test_the_path_hash_depends_on_the_rest_of_the_id() -> None:
    assert path_hash("msg_a", PATH) != path_hash("msg_b", PATH)
    expected = hashlib.sha256(b"msg_a." + PATH.encode()).hexdigest()
    assert path_hash("msg_a", PATH) == expected[:8]


def test_a_new_secret_is_thirty_two_random_bytes_in_the_notation_of_the_standard() -> None:
    assert len(base64.b64decode(new_secret().removeprefix("whsec_"), validate=True)) == 32
    assert new_secret() != new_secret()


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec",
        "whsec_",
        "whsec_%%%",
        "whsec_" + base64.b64encode(b"x" * 23).decode(),
        "whsec_" + base64.b64encode(b"x" * 65).decode(),
        "whsk_" + base64.b64encode(b"x" * 31).decode(),
        "whpk_" + base64.b64encode(b"x" * 64).decode(),
        "sk_live_" + base64.b64encode(b"x" * 32).decode(),
        base64.b64encode(b"x" * 32).decode(),
    ],
)
def test_a_secret_that_cannot_be_read_is_refused_without_being_shown(secret: str) -> None:
    with pytest.raises(InvalidSecret) as refused:
        sign([secret], "msg_1", NOW, BODY)
    text = secret.partition("_")[2]
    assert not text or text not in str(refused.value)


def test_no_secret_at_all_is_refused() -> None:
    with pytest.raises(InvalidSecret, match="new_secret"):
        sign([], "msg_1", NOW, BODY)


# --- signing -----------------------------------------------------------------------------------------------


def test_a_v1_signature_is_the_hmac_of_id_timestamp_and_body() -> None:
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    mac = hmac.digest(key, b"msg_1.1764000000." + BODY, "sha256")
    assert sign([SECRET], "msg_1", NOW, BODY) == "v1," + base64.b64encode(mac).decode()


def test_the_standards_own_package_accepts_what_is_signed_here() -> None:
    timestamp = int(datetime.now(UTC).timestamp())
    headers = signed(new_key_pair()[0], SECRET, new_secret(), timestamp=timestamp)
    assert standardwebhooks.Webhook(SECRET).verify(BODY, headers) == {
        "description": "Payment celebration",
        "paid": True,
    }


def test_what_the_standards_own_package_signs_is_accepted_here() -> None:
    moment = datetime.fromtimestamp(NOW, tz=UTC)
    signature = standardwebhooks.Webhook(SECRET).sign("msg_1", moment, BODY.decode())
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(NOW), "webhook-signature": signature}
    assert verify([SECRET], headers, BODY, now=NOW) == "msg_1"


def test_during_rotation_old_and_new_secret_both_sign_and_either_verifies() -> None:
    old, new = new_secret(), new_secret()
    headers = signed(new, old)
    assert headers["webhook-signature"].count("v1,") == 2
    assert verify([old], headers, BODY, now=NOW) == "msg_1"
    assert verify([new], headers, BODY, now=NOW) == "msg_1"
    assert verify([new_secret(), old], headers, BODY, now=NOW) == "msg_1"


def test_a_v1a_signature_verifies_with_the_public_key_and_with_the_pair() -> None:
    secret_key, public = new_key_pair()
    headers = signed(secret_key)
    assert headers["webhook-signature"].startswith("v1a,")
    assert verify([public], headers, BODY, now=NOW) == "msg_1"
    assert verify([secret_key], headers, BODY, now=NOW) == "msg_1"
    assert public_key(secret_key) == public


def test_a_secret_key_may_carry_its_public_half_as_other_providers_write_it() -> None:
    secret_key, public = new_key_pair()
    seed = base64.b64decode(secret_key.removeprefix("whsk_"))
    long_form = "whsk_" + base64.b64encode(seed + base64.b64decode(public.removeprefix("whpk_"))).decode()
    assert public_key(long_form) == public
    assert verify([public], signed(long_form), BODY, now=NOW) == "msg_1"


def test_a_public_key_cannot_sign() -> None:
    with pytest.raises(InvalidSecret, match="whsk_"):
        sign([new_key_pair()[1]], "msg_1", NOW, BODY)


def test_signing_with_a_shared_secret_never_imports_cryptography() -> None:
    program = (
        "import sys; from ringback._signing import *;"
        "sign([new_secret()], 'msg_1', 0, b''); assert 'cryptography' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


# --- verifying ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("away", [-300, -1, 0, 1, 300])
def test_a_timestamp_within_five_minutes_either_way_is_accepted(away: int) -> None:
    assert verify([SECRET], signed(timestamp=NOW + away), BODY, now=NOW) == "msg_1"


@pytest.mark.parametrize("away", [-86400, -301, 301, 10**10])
def test_a_timestamp_further_away_is_refused(away: int) -> None:
    with pytest.raises(InvalidSignature, match="300 s"):
        verify([SECRET], signed(timestamp=max(0, NOW + away)), BODY, now=NOW)


def test_the_tolerance_is_a_setting() -> None:
    assert verify([SECRET], signed(timestamp=NOW - 3600), BODY, now=NOW, tolerance=3600) == "msg_1"


def test_a_key_of_one_scheme_never_accepts_a_signature_of_the_other() -> None:
    secret_key, public = new_key_pair()
    shared = signed(SECRET)
    paired = signed(secret_key)
    for key, headers in ((public, shared), (SECRET, paired)):
        with pytest.raises(InvalidSignature):
            verify([key], headers, BODY, now=NOW)
    relabelled = dict(paired, **{"webhook-signature": paired["webhook-signature"].replace("v1a", "v1")})
    with pytest.raises(InvalidSignature):
        verify([public], relabelled, BODY, now=NOW)


def test_another_accounts_secret_is_refused() -> None:
    with pytest.raises(InvalidSignature, match="known secret"):
        verify([new_secret()], signed(), BODY, now=NOW)


def test_a_dot_cannot_be_moved_from_the_id_into_the_timestamp() -> None:
    signature = sign([SECRET], "a.1", NOW, BODY)
    headers = {"webhook-id": "a", "webhook-timestamp": f"1.{NOW}", "webhook-signature": signature}
    with pytest.raises(InvalidSignature):
        verify([SECRET], headers, BODY, now=NOW)
    with pytest.raises(InvalidSignature, match="webhook-id has characters"):
        verify([SECRET], signed(message_id="a.1"), BODY, now=NOW)


def test_a_message_for_one_path_is_refused_at_another() -> None:
    headers = signed(message_id=new_message_id(PATH))
    assert verify([SECRET], headers, BODY, now=NOW, path=PATH) == headers["webhook-id"]
    with pytest.raises(InvalidSignature, match="another path"):
        verify([SECRET], headers, BODY, now=NOW, path="/events/invoices/another")


GOOD = sign([SECRET], "msg_1", NOW, BODY)
RAW = GOOD.removeprefix("v1,")
MALFORMED = [
    "",
    " ",
    "v1",
    "v1,",
    ",",
    ",,",
    RAW,
    "v1 " + RAW,
    "v1;" + RAW,
    "v1=" + RAW,
    "V1," + RAW,
    "v2," + RAW,
    "v1a," + RAW,
    "v1,," + RAW,
    "v1,v1," + RAW,
    "v1, " + RAW,
    "v1\t," + RAW,
    GOOD + ",",
    GOOD + "=",
    GOOD.rstrip("="),
    GOOD[:-2],
    GOOD + "\x00",
    GOOD + "\r\n",
    "v1," + RAW.replace("=", "%3D"),
    "v1," + base64.urlsafe_b64encode(b"\xff" * 32).decode(),
    "v1," + base64.b64decode(RAW).hex(),
    "v1,é" + RAW,
    "v1,\ud800",
    "v1,１" + RAW,
    "v1," + "A" * 100_000,
    " ".join(["v1," + RAW[::-1]] * 16 + [GOOD]),
    '{"v1": "' + RAW + '"}',
]


@pytest.mark.parametrize("signature", MALFORMED, ids=range(len(MALFORMED)))
def test_every_malformed_signature_header_gives_the_one_error(signature: str) -> None:
    for keys in ([SECRET], [new_key_pair()[1]]):
        with pytest.raises(InvalidSignature) as refused:
            verify(keys, dict(signed(), **{"webhook-signature": signature}), BODY, now=NOW)
        assert isinstance(refused.value, RingbackError)


@pytest.mark.parametrize(
    "timestamp",
    [
        "",
        "now",
        "1e9",
        "1764000000.0",
        "-1764000000",
        "+1764000000",
        " 1764000000",
        "0x69",
        "１７６４",
        "9" * 5000,
    ],
)
def test_every_malformed_timestamp_gives_the_one_error(timestamp: str) -> None:
    with pytest.raises(InvalidSignature):
        verify([SECRET], dict(signed(), **{"webhook-timestamp": timestamp}), BODY, now=NOW)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_named(name: str) -> None:
    headers = signed()
    del headers[name]
    with pytest.raises(InvalidSignature, match=name):
        verify([SECRET], headers, BODY, now=NOW)


def test_unknown_versions_beside_a_good_signature_do_no_harm() -> None:
    headers = dict(signed(), **{"webhook-signature": f"v9,abc nonsense {GOOD}"})
    assert verify([SECRET], headers, BODY, now=NOW) == "msg_1"


PAIR = new_key_pair()


@given(
    st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature", "body"]),
    st.integers(min_value=0, max_value=10_000),
    st.sampled_from([(SECRET, SECRET), PAIR]),
)
def test_every_flipped_bit_fails(part: str, position: int, keys: tuple[str, str]) -> None:
    message_id = new_message_id(PATH)
    headers = signed(keys[0], message_id=message_id)
    body = BODY
    original = body if part == "body" else headers[part].encode("latin-1")
    position %= len(original) * 8
    changed = bytearray(original)
    changed[position // 8] ^= 1 << position % 8
    if part == "body":
        body = bytes(changed)
    else:
        headers[part] = changed.decode("latin-1")
    with pytest.raises(InvalidSignature):
        verify([keys[1]], headers, body, now=NOW, path=PATH)


@given(st.text(), st.text(), st.text(), st.binary(max_size=64))
def test_whatever_arrives_gives_the_one_error(first: str, second: str, third: str, body: bytes) -> None:
    headers = {"webhook-id": first, "webhook-timestamp": second, "webhook-signature": third}
    with pytest.raises(InvalidSignature):
        verify([SECRET], headers, body, now=NOW)
