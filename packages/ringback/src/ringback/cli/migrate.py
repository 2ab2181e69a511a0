"""``ringback migrate``: bring Ringback's tables up to date."""

from ringback import _migrations
from ringback.cli._database import AppArgument, DatabaseOption, FactoryOption, Open, Place, shown
from ringback.cli._options import AsJson
from ringback.cli._output import output, plain, print_json

__all__ = ["migrate"]


def migrate(
    app: AppArgument = None,
    factory: FactoryOption = False,
    database: DatabaseOption = None,
    as_json: AsJson = False,
) -> None:
    """Bring Ringback's tables up to date; the app's own tables are left alone.

    Safe to run from several machines at once: the second waits for the first and finds nothing to do.
    """

    async def work(db: Open) -> tuple[str | None, str]:
        return await db.write(_migrations.upgrade)

    opened = Place(database, app, factory).open(create=True)
    before, after = opened.run(work)
    where = shown(opened.engine.url)
    if as_json:
        print_json({"database": where, "before": before, "after": after})
    elif before == after:
        output().print(plain(f"{where} is up to date: revision {after}."))
    else:
        output().print(plain(f"{where} went from {before or 'no tables'} to revision {after}."))
