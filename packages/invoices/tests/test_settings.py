"""Settings: read from INVOICES_ variables, and refused where they would be insecure."""

import stat
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from invoices.settings import Settings


@pytest.mark.parametrize(
    ("text", "networks"),
    [
        ("127.0.0.0/8", ["127.0.0.0/8"]),
        ("127.0.0.0/8, 10.0.0.0/8", ["127.0.0.0/8", "10.0.0.0/8"]),
        ('["127.0.0.0/8", "fd00::/8"]', ["127.0.0.0/8", "fd00::/8"]),
        ("", []),
    ],
)
def test_lists_are_json_or_words_between_commas(
    monkeypatch: pytest.MonkeyPatch, text: str, networks: list[str]
) -> None:
    monkeypatch.setenv("INVOICES_CALLBACK_ALLOW_NETWORKS", text)
    assert Settings().callback_allow_networks == networks


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("postgresql://u:p@h/d", "postgresql+asyncpg://u:p@h/d"),
        ("postgres://u:p@h/d", "postgresql+asyncpg://u:p@h/d"),
        ("postgresql+asyncpg://u:p@h/d", "postgresql+asyncpg://u:p@h/d"),
        ("sqlite:////srv/a.db", "sqlite+aiosqlite:////srv/a.db"),
    ],
)
def test_a_database_url_gets_its_driver(given: str, used: str) -> None:
    assert Settings(database_url=given).database == used


def test_without_a_database_url_there_is_a_file_in_the_data_folder(tmp_path: Path) -> None:
    assert Settings(data_dir=tmp_path).database == f"sqlite+aiosqlite:///{tmp_path}/invoices.db"


@pytest.mark.parametrize(
    "wrong",
    [
        {"database_url": "mysql://h/d"},
        {"database_url": "nonsense"},
        {"currency": "usd"},
        {"currency": "XXX"},
        {"base_url": "ftp://h"},
        {"payments": "none"},
        {"worker": "none"},
        {"payments": "stripe"},
        {"payments": "stripe", "stripe_secret_key": "sk"},
        {"secret_key": "short"},
        {"callback_allow_networks": ["10.0.0.0/99"]},
        {"callback_ports": [0]},
        {"callback_proxy": "https://proxy.example:3128"},
        {"callback_proxy": "proxy.example:3128"},
        {"callback_proxy": "http://"},
        {"mail_limit_per_recipient": -1},
    ],
)
def test_what_is_wrong_or_insecure_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Settings(**wrong)


def test_secrets_do_not_show(tmp_path: Path) -> None:
    secret = "a secret of more than thirty-two letters"
    secrets = dict.fromkeys(("secret_key", "stripe_secret_key", "stripe_webhook_secret"), secret)
    secrets["callback_proxy"] = f"http://us:{secret.replace(' ', '-')}@proxy.example:3128"
    settings = Settings.model_validate({"data_dir": tmp_path, "payments": "stripe", **secrets})
    assert secret.replace(" ", "-") not in repr(settings)
    assert secret not in repr(settings)
    assert settings.server_key == secret.encode()


def test_the_server_key_is_made_once_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    first, second = Settings(data_dir=folder).server_key, Settings(data_dir=folder).server_key
    assert first == second
    assert len(first) >= 32
    assert stat.S_IMODE((folder / "secret-key").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_each_server_key_encrypts_signing_secrets_in_its_place() -> None:
    old, new = "o" * 32, "n" * 40
    before, after = Settings(secret_key=SecretStr(old)), Settings(secret_key=SecretStr(f"{new}, {old}"))
    assert after.server_keys == (new.encode(), old.encode())
    assert after.signing_keys[1:] == before.signing_keys
    assert len(set(after.signing_keys)) == 2


def test_the_data_folder_keeps_itself_out_of_git(tmp_path: Path) -> None:
    folder = Settings(data_dir=tmp_path / "data").prepare_data_dir()
    assert (folder / ".gitignore").read_text() == "*\n"
