"""Where the master keys come from: a setting, the environment, a file beside an embedded database."""

import hashlib
import os
import stat
import tempfile
from binascii import b2a_base64
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Literal, TypeAlias

from sqlalchemy.engine import URL

from ringback._errors import RingbackError
from ringback._sealing import MasterKeys, new_master_key

__all__ = ["DEVELOPMENT", "VARIABLE", "KeySource", "MasterKeyFinder", "NoMasterKey", "SecretKey", "key_file"]

VARIABLE: Final = "RINGBACK_KEY"
FILE_VARIABLE: Final = "RINGBACK_KEY_FILE"
DEVELOPMENT: Final = "development"
"""In place of a key: one that everybody can read here. It protects nothing."""

SecretKey: TypeAlias = str | Path | Sequence[str]
"""One or several master keys as texts, a file that holds them, or the word ``development``."""


class NoMasterKey(RingbackError):
    """There is no key to encrypt signing secrets with."""


@dataclass(frozen=True, slots=True)
class KeySource:
    """Master keys and where they were found; `path` is the file, `place` says it for people."""

    keys: MasterKeys
    kind: Literal["given", "file", "development", "memory"]
    place: str
    path: Path | None = None


class MasterKeyFinder:
    """Finds the master keys when they are first needed, and keeps them.

    What is `given` goes before ``RINGBACK_KEY``, that before the file named in ``RINGBACK_KEY_FILE``, and
    that before the file beside an embedded database. A file is made where it is missing, readable by its
    owner only. For a database server there is no file to fall back on: raises `NoMasterKey`.
    """

    def __init__(self, given: SecretKey | None, database: URL) -> None:
        self._given = given
        self._database = database

    def __call__(self) -> MasterKeys:
        """The keys; raises `NoMasterKey` or `InvalidMasterKey`."""
        return self.source.keys

    @cached_property
    def source(self) -> KeySource:
        """The keys with their origin, for those who explain it."""
        if isinstance(self._given, Path):
            return _from_file(self._given)
        if self._given is not None:
            texts = [self._given] if isinstance(self._given, str) else list(self._given)
            return _from_texts(texts, "Ringback(secret_key=…)")
        if text := os.environ.get(VARIABLE):
            return _from_texts([text], f"${VARIABLE}")
        if name := os.environ.get(FILE_VARIABLE):
            return _from_file(Path(name))
        return self._of_database()

    def missing_file(self) -> Path | None:
        """The file that `source` would make now, if it would."""
        path = self._given
        if path is None and not os.environ.get(VARIABLE):
            name = os.environ.get(FILE_VARIABLE)
            path = Path(name) if name else _beside(self._database)
        return path if isinstance(path, Path) and not path.exists() else None

    def _of_database(self) -> KeySource:
        if self._database.get_backend_name() != "sqlite":
            raise NoMasterKey(
                "Signing secrets are encrypted in the database, and there is no key for that. Make one with "
                f"`ringback keys new-master`, and give it to every process as {VARIABLE} or as "
                f'Ringback(secret_key=…). For development {VARIABLE}="{DEVELOPMENT}" will do: it protects '
                "nothing."
            )
        path = _beside(self._database)
        if path is None:
            return KeySource(MasterKeys([new_master_key()]), "memory", "memory, like the database")
        return _from_file(path)


def key_file(path: Path) -> str:
    """The text of a file that holds a key; a missing file is made, with a fresh key, for its owner's eyes."""
    with suppress(FileNotFoundError):
        return path.read_text(encoding="ascii").strip()
    # Written beside and linked: whoever finds the file finds the whole key in it, and the first one wins.
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(new_master_key() + "\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(name, path)
    finally:
        os.unlink(name)
    return path.read_text(encoding="ascii").strip()


def others_may_read(path: Path) -> bool:
    """Whether a key's file is open to other users of this machine."""
    return os.name == "posix" and bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))


def _from_texts(texts: Sequence[str], place: str) -> KeySource:
    if [text.strip() for text in texts] == [DEVELOPMENT]:
        known = b2a_base64(hashlib.sha256(b"ringback development").digest()).decode()
        return KeySource(MasterKeys([known]), "development", place)
    return KeySource(MasterKeys(texts), "given", place)


def _from_file(path: Path) -> KeySource:
    try:
        text = key_file(path)
    except OSError as error:
        raise NoMasterKey(
            f"The master key's file {path} can be neither read nor made ({error.strerror or error}). Name "
            f"another one in {FILE_VARIABLE}, or give the key itself as {VARIABLE}."
        ) from error
    return KeySource(MasterKeys([text]), "file", f"the file {path.absolute()}", path)


def _beside(database: URL) -> Path | None:
    """The key's file of an embedded database, None where it lives in memory."""
    if database.get_backend_name() != "sqlite":
        return None
    name = (database.database or ":memory:").removeprefix("file:").partition("?")[0]
    in_memory = name in ("", ":memory:") or "mode=memory" in str(database)
    return None if in_memory else Path(f"{name}.key")
