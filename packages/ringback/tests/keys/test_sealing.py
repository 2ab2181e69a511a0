"""What a master key encrypts opens with that key, for the same owner and kind, unaltered; nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback._sealing import InvalidMasterKey, MasterKeys, Sealed, UnreadableSecret, new_master_key
from ringback._signing import new_secret

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(TEXT, TEXT, st.sampled_from(["v1", "v1a"]))
def test_what_is_sealed_opens_again_for_the_same_owner_and_kind(secret: str, owner: str, kind: str) -> None:
    keys = MasterKeys([new_master_key()])
    assert keys.open(keys.seal(secret, owner=owner, kind=kind), owner=owner, kind=kind) == secret


def test_the_secret_is_not_in_what_is_stored_and_no_two_seals_are_alike() -> None:
    keys, secret = MasterKeys([new_master_key()]), new_secret()
    one, other = (keys.seal(secret, owner="acme", kind="v1") for _ in range(2))
    assert one.content != other.content
    assert secret.encode() not in one.content
    assert one.master == other.master == keys.current


@pytest.mark.parametrize(("owner", "kind"), [("evil", "v1"), ("acme", "v1a"), ("", "v1")])
def test_a_row_that_is_copied_to_another_owner_or_kind_does_not_open(owner: str, kind: str) -> None:
    keys = MasterKeys([new_master_key()])
    sealed = keys.seal(new_secret(), owner="acme", kind="v1")
    with pytest.raises(UnreadableSecret, match="altered"):
        keys.open(sealed, owner=owner, kind=kind)


@given(st.data())
def test_no_altered_bit_and_no_cut_passes(data: st.DataObject) -> None:
    keys = MasterKeys([new_master_key()])
    sealed = keys.seal("whsec_secret", owner="acme", kind="v1")
    place = data.draw(st.integers(0, len(sealed.content) * 8 - 1))
    flipped = int.from_bytes(sealed.content) ^ (1 << place)
    cut = sealed.content[: data.draw(st.integers(0, len(sealed.content) - 1))]
    for content in (flipped.to_bytes(len(sealed.content)), cut):
        with pytest.raises(UnreadableSecret):
            keys.open(Sealed(sealed.master, content), owner="acme", kind="v1")


def test_a_new_key_takes_over_while_the_old_one_still_opens() -> None:
    old, new = new_master_key(), new_master_key()
    sealed = MasterKeys([old]).seal("whsec_secret", owner="acme", kind="v1")
    both = MasterKeys([new, old])
    assert both.open(sealed, owner="acme", kind="v1") == "whsec_secret"
    assert both.seal("whsec_secret", owner="acme", kind="v1").master == MasterKeys([new]).current
    with pytest.raises(UnreadableSecret, match=sealed.master) as caught:
        MasterKeys([new]).open(sealed, owner="acme", kind="v1")
    assert MasterKeys([new]).current in str(caught.value)
    assert "RINGBACK_KEY=new,old" in str(caught.value)


def test_keys_are_read_as_people_write_them() -> None:
    one, other = new_master_key(), new_master_key()
    url_safe = one.replace("+", "-").replace("/", "_").rstrip("=")
    ids = MasterKeys([one, other]).ids
    for texts in ([f"{one},{other}"], [f" {one} , {other}\n"], [f"{one}\n{other}"], [url_safe, other]):
        assert MasterKeys(texts).ids == ids


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no master key"),
        (" , ", "no master key"),
        ("A" * 42, "31"),
        ("not/a=key", "base64"),
        ("é", "base64"),
    ],
)
def test_what_is_no_key_is_refused_with_the_command_that_makes_one(text: str, says: str) -> None:
    with pytest.raises(InvalidMasterKey, match=says) as caught:
        MasterKeys([text])
    assert "ringback keys new-master" in str(caught.value)
    assert not text.strip(" ,") or text not in str(caught.value)


def test_an_id_tells_keys_apart_and_is_no_part_of_the_key() -> None:
    texts = [new_master_key() for _ in range(50)]
    ids = {MasterKeys([text]).current for text in texts}
    assert len(ids) == 50
    assert all(len(found) == 8 for found in ids)
