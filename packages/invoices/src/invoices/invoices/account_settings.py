"""What an account chooses for itself, over HTTP."""

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession

from invoices.accounts.access import REFUSALS, ManagerDep, ReaderDep
from invoices.accounts.models import Account
from invoices.database import SessionDep
from invoices.errors import Invalid, TooLarge, Unreadable, UnsupportedType, responses
from invoices.exact_json import ExactJsonRoute
from invoices.invoices import schemas
from invoices.invoices.happenings import BY_SETTING

__all__ = ["router"]

router = APIRouter(
    prefix="/settings",
    tags=["settings"],
    route_class=ExactJsonRoute,
    responses=responses(*REFUSALS, Invalid),
)


@router.get("")
async def read_settings(account: ReaderDep) -> schemas.AccountSettings:
    """Read what your account has chosen."""
    return _shown(account.callbacks)


@router.put("", responses=responses(Unreadable, TooLarge, UnsupportedType, Invalid))
async def change_settings(
    chosen: schemas.AccountSettings, account: ManagerDep, session: SessionDep
) -> schemas.AccountSettings:
    """Choose what you are called back about beside what becomes of the money.

    It holds for everything that happens from now on, also to invoices that were sent before.
    """
    words = " ".join(kind.value for kind in BY_SETTING if kind.value in chosen.callbacks)
    await _keep(session, account.id, words)
    return _shown(words)


async def _keep(session: AsyncSession, account_id: str, words: str) -> None:
    row = await session.get_one(Account, account_id, with_for_update=True)
    row.callbacks = words


def _shown(words: str) -> schemas.AccountSettings:
    return schemas.AccountSettings.model_validate({"callbacks": words.split()})
