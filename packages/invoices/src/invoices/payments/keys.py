"""The keys between the service and its payment provider."""

import hashlib
import hmac
from dataclasses import dataclass, field

from invoices.settings import Settings

__all__ = ["ProviderKeys"]


@dataclass(frozen=True, slots=True)
class ProviderKeys:
    """The secret API key, and the secret that signs webhooks."""

    api_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)

    @classmethod
    def of(cls, settings: Settings) -> "ProviderKeys":
        """The keys that the settings give; those of the sandbox are made from the server's key where missing.

        So they are the same after every restart and in every process, and no two servers share them.
        """
        given = settings.stripe_secret_key, settings.stripe_webhook_secret
        api_key, webhook_secret = (secret.get_secret_value() if secret else "" for secret in given)
        if settings.payments == "sandbox":
            api_key = api_key or f"sk_test_{_derived(settings, 'api key')}"
            webhook_secret = webhook_secret or f"whsec_{_derived(settings, 'webhook secret')}"
        return cls(api_key, webhook_secret)


def _derived(settings: Settings, purpose: str) -> str:
    return hmac.new(settings.server_key, f"sandbox {purpose}".encode(), hashlib.sha256).hexdigest()
