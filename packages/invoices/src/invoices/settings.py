"""What an operator sets: environment variables that begin with INVOICES_, read once at start."""

import base64
import hmac
import json
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, HttpUrl, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from invoices.invoices.money import EXPONENTS
from invoices.languages import LanguageTag
from ringback import NetworkPolicy, key_file


def _listed(value: Any) -> Any:
    """A list in an environment variable: JSON, or words between commas."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [word.strip() for word in value.split(",") if word.strip()]


Listed = Annotated[list[str], NoDecode, BeforeValidator(_listed)]

Days = Annotated[list[Annotated[int, Field(ge=-365, le=365)]], NoDecode, BeforeValidator(_listed)]

Ports = Annotated[list[Annotated[int, Field(ge=1, le=65535)]], NoDecode, BeforeValidator(_listed)]

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
}


class Settings(BaseSettings):
    """The service's settings. A combination that would be insecure refuses to start, with the reason.

    docs/reference/settings.md says of each what it does, and what it is where it is not given; a test
    compares. Plain ``sqlite://`` and ``postgresql://`` URLs get the driver that the service uses.
    """

    model_config = SettingsConfigDict(env_prefix="INVOICES_", extra="ignore", frozen=True)

    data_dir: Path = Path("invoices-data")
    database_url: str = ""
    base_url: HttpUrl = HttpUrl("http://127.0.0.1:8000")
    currency: str = "USD"
    language: LanguageTag = "en"
    seller: str = Field(default="", max_length=120)
    callback_allow_networks: Listed = Field(default_factory=list)
    callback_allow_hosts: Listed = Field(default_factory=list)
    callback_deny_hosts: Listed = Field(default_factory=list)
    callback_ports: Ports = Field(default_factory=lambda: [80, 443, 8080, 8443])
    callback_https_only: bool = False
    callback_proxy: SecretStr | None = None
    callback_rate_per_host: float = Field(default=50, ge=0)
    worker: Literal["embedded", "external"] = "embedded"

    rate_limit: float = Field(default=50, ge=0)
    rate_limit_burst: int = Field(default=200, ge=1)
    guess_limit: float = Field(default=1, ge=0)
    guess_limit_burst: int = Field(default=50, ge=1)

    reminders: Days = [-3, 1, 7]

    smtp_url: SecretStr | None = None
    mail_from: str = "Invoices <invoices@localhost>"
    mail_limit_per_recipient: int = Field(default=30, ge=0)

    payments: Literal["sandbox", "stripe"] = "sandbox"
    stripe_secret_key: SecretStr | None = None
    stripe_webhook_secret: SecretStr | None = None
    stripe_api_base: str | None = None
    payment_look_seconds: float = Field(default=600, ge=1)

    secret_key: SecretStr = SecretStr("")
    console_secret: SecretStr = SecretStr("")
    metrics_token: SecretStr = SecretStr("")

    @field_validator("database_url")
    @classmethod
    def _with_driver(cls, url: str) -> str:
        scheme, separator, rest = url.partition("://")
        if url and (not separator or scheme not in {*_DRIVERS, *_DRIVERS.values()}):
            raise ValueError("give a sqlite:// or postgresql:// URL")
        return f"{_DRIVERS.get(scheme, scheme)}://{rest}" if url else ""

    @field_validator("currency")
    @classmethod
    def _known(cls, currency: str) -> str:
        if currency not in EXPONENTS:
            raise ValueError(f"{currency!r} is not a currency code of ISO 4217, such as USD or EUR")
        return currency

    @field_validator("secret_key")
    @classmethod
    def _long(cls, key: SecretStr) -> SecretStr:
        given = key.get_secret_value()
        if given and min(len(word.strip()) for word in given.split(",")) < 32:
            raise ValueError(
                "must have at least 32 characters: links of hosted pages and signing secrets rest on it"
            )
        return key

    @field_validator("callback_proxy")
    @classmethod
    def _speaks_connect(cls, proxy: SecretStr | None) -> SecretStr | None:
        parts = urlsplit(proxy.get_secret_value() if proxy else "http://none")
        if parts.scheme != "http" or not parts.hostname or parts.path not in ("", "/"):
            raise ValueError("give http://[user:password@]host:port of a proxy that makes tunnels (CONNECT)")
        return proxy

    @field_validator("metrics_token")
    @classmethod
    def _no_short_token(cls, token: SecretStr) -> SecretStr:
        if 0 < len(token.get_secret_value()) < 16:
            raise ValueError(
                "must have at least 16 characters: it may be tried by whoever reaches the service"
            )
        return token

    @field_validator("console_secret")
    @classmethod
    def _hard_to_guess(cls, secret: SecretStr) -> SecretStr:
        if 0 < len(secret.get_secret_value().strip()) < 32:
            raise ValueError("must have at least 32 characters: whoever has it sees and steers everything")
        return secret

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.payments == "stripe" and not (self.stripe_secret_key and self.stripe_webhook_secret):
            raise ValueError(
                "INVOICES_PAYMENTS=stripe needs INVOICES_STRIPE_SECRET_KEY and "
                "INVOICES_STRIPE_WEBHOOK_SECRET; without them nobody could pay, or anybody could "
                "claim to have paid"
            )
        return self

    @model_validator(mode="after")
    def _readable_policy(self) -> Self:
        try:
            _ = self.callback_policy
        except ValueError as error:
            raise ValueError(f"INVOICES_CALLBACK_ALLOW_NETWORKS: {error}") from None
        return self

    @cached_property
    def callback_policy(self) -> NetworkPolicy:
        """What callbacks may reach."""
        return NetworkPolicy.from_settings(
            self.callback_allow_networks,
            ports=self.callback_ports,
            https_only=self.callback_https_only,
            allow_hosts=self.callback_allow_hosts,
            deny_hosts=self.callback_deny_hosts,
        )

    @property
    def database(self) -> str:
        """The database's URL, with its driver."""
        return self.database_url or f"sqlite+aiosqlite:///{self.data_dir.resolve() / 'invoices.db'}"

    @property
    def site(self) -> str:
        """`base_url` as the beginning of a link: without a slash at its end."""
        return str(self.base_url).rstrip("/")

    def prepare_data_dir(self) -> Path:
        """Make the data folder where it is missing; nobody else may read it, and git ignores it."""
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        ignore = self.data_dir / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="ascii")
        return self.data_dir

    @property
    def console_secret_file(self) -> Path:
        """Where `with_console` keeps the console's secret."""
        return self.data_dir / "console-secret"

    def with_console(self) -> Self:
        """The same with a console: where no secret is given, one is made and kept in the data folder."""
        if self.console_secret.get_secret_value():
            return self
        self.prepare_data_dir()
        return self.model_copy(update={"console_secret": SecretStr(key_file(self.console_secret_file))})

    @cached_property
    def server_keys(self) -> tuple[bytes, ...]:
        """The keys that everything secret is made from, at least 32 bytes each, kept over restarts.

        The first is the present one; what was made with the others stays valid.
        """
        text = self.secret_key.get_secret_value() or key_file(self.prepare_data_dir() / "secret-key")
        return tuple(word.strip().encode() for word in text.split(","))

    @property
    def server_key(self) -> bytes:
        """The present one of `server_keys`."""
        return self.server_keys[0]

    @property
    def signing_keys(self) -> list[str]:
        """What encrypts the signing secrets in the database: for each server key one of its own."""
        derived = (hmac.digest(key, b"signing secrets", "sha256") for key in self.server_keys)
        return [base64.b64encode(key).decode() for key in derived]
