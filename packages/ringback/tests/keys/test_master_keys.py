"""Where master keys are found, in which order, and what happens where there are none."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from ringback import key_file
from ringback._master_keys import MasterKeyFinder, NoMasterKey, others_may_read
from ringback._sealing import InvalidMasterKey, MasterKeys, new_master_key

SERVER = make_url("postgresql+asyncpg://app:password@db.example/app")


@pytest.fixture(autouse=True)
def _no_key_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RINGBACK_KEY")


@pytest.fixture
def embedded(tmp_path: Path) -> MasterKeyFinder:
    return MasterKeyFinder(None, make_url(f"sqlite+aiosqlite:///{tmp_path}/app.db"))


def test_an_embedded_database_gets_a_key_file_beside_it_for_its_owner_only(
    embedded: MasterKeyFinder, tmp_path: Path
) -> None:
    path = tmp_path / "app.db.key"
    assert embedded.missing_file() == path
    assert not path.exists(), "nothing is made before it is needed"
    source = embedded.source
    assert (source.kind, source.path) == ("file", path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not others_may_read(path)
    assert embedded.missing_file() is None
    again = MasterKeyFinder(None, make_url(f"sqlite+aiosqlite:///{tmp_path}/app.db"))
    assert again().ids == embedded().ids


def test_the_first_of_many_that_make_a_key_file_makes_it_for_all(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        texts = set(pool.map(lambda _: key_file(tmp_path / "key"), range(64)))
    assert len(texts) == 1
    assert os.listdir(tmp_path) == ["key"]
    MasterKeys(texts)


def test_a_setting_goes_before_the_environment_and_that_before_files(
    embedded: MasterKeyFinder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting, variable, in_file = (new_master_key() for _ in range(3))
    (tmp_path / "mounted").write_text(f"{in_file}\n")
    database = make_url(f"sqlite+aiosqlite:///{tmp_path}/app.db")

    def found(given: str | Path | list[str] | None = None) -> tuple[str, ...]:
        return MasterKeyFinder(given, database)().ids

    monkeypatch.setenv("RINGBACK_KEY_FILE", str(tmp_path / "mounted"))
    assert found() == MasterKeys([in_file]).ids
    monkeypatch.setenv("RINGBACK_KEY", f"{variable},{in_file}")
    assert found() == MasterKeys([variable, in_file]).ids
    assert found(setting) == MasterKeys([setting]).ids
    assert found([setting, variable]) == MasterKeys([setting, variable]).ids
    assert found(tmp_path / "mounted") == MasterKeys([in_file]).ids
    assert not (tmp_path / "app.db.key").exists()


def test_a_database_server_needs_a_key_and_says_how_to_make_one() -> None:
    finder = MasterKeyFinder(None, SERVER)
    with pytest.raises(NoMasterKey) as caught:
        finder()
    for part in ("ringback keys new-master", "RINGBACK_KEY", 'RINGBACK_KEY="development"'):
        assert part in str(caught.value)
    assert "password" not in str(caught.value)


def test_the_development_key_is_a_known_one_that_must_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGBACK_KEY", "development")
    source = MasterKeyFinder(None, SERVER).source
    assert source.kind == "development"
    assert MasterKeyFinder("development", SERVER)().ids == source.keys.ids


@pytest.mark.parametrize("url", ["sqlite+aiosqlite://", "sqlite+aiosqlite:///file:x?mode=memory&uri=true"])
def test_a_database_in_memory_has_its_key_there_too(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    one, other = (MasterKeyFinder(None, make_url(url)) for _ in range(2))
    assert one.source.kind == "memory"
    assert one().ids != other().ids
    assert os.listdir(tmp_path) == []


def test_a_key_file_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    with pytest.raises(NoMasterKey, match="missing") as caught:
        MasterKeyFinder(tmp_path / "missing" / "key", SERVER)()
    assert "RINGBACK_KEY_FILE" in str(caught.value)


def test_a_file_without_a_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("")
    with pytest.raises(InvalidMasterKey):
        MasterKeyFinder(tmp_path / "key", SERVER)()


def test_a_file_that_others_may_read_is_noticed(tmp_path: Path) -> None:
    key_file(tmp_path / "key")
    (tmp_path / "key").chmod(0o640)
    assert others_may_read(tmp_path / "key")
