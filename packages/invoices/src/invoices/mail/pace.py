"""How often one person is written to: whoever may create invoices could else fill a stranger's mailbox."""

from collections.abc import Callable
from time import monotonic

from invoices.mail.message import Mail
from invoices.mail.senders import Sender
from invoices.rate_limits import Buckets
from ringback import Outcome

__all__ = ["PacedSender"]

HOUR = 3600.0


class PacedSender:
    """Passes on `per_hour` mails to one recipient at once, and then as many an hour (0: no limit).

    What is too much waits for its turn and is tried again. Each process counts for itself; of very many
    recipients, those that were written to last are counted.
    """

    def __init__(self, sender: Sender, per_hour: int, *, clock: Callable[[], float] = monotonic) -> None:
        self.sender = sender
        self._per_hour = per_hour
        self._recipients = Buckets(per_hour / HOUR, max(per_hour, 1), clock=clock)

    async def send(self, mail: Mail) -> Outcome:
        """One attempt, or the reason why there was none yet."""
        if mail.recipient is not None and (wait := self._recipients.take(_mailbox(mail.recipient))):
            return Outcome.retry(
                f"not sent yet: this address has had {self._per_hour} mails in the last hour "
                "(INVOICES_MAIL_LIMIT_PER_RECIPIENT)",
                retry_after=wait,
            )
        return await self.sender.send(mail)


def _mailbox(address: str) -> str:
    """What is one mailbox to most servers: capitals, and a tag after a plus sign, make no other."""
    name, _, domain = address.rpartition("@")
    return f"{name.partition('+')[0]}@{domain}".lower()
