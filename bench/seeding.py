"""Many deliveries at once: one is owed through the public API, SQL then makes copies of its rows."""

from typing import Any

from sqlalchemy import Connection, text

from bench.app import make_app, owe

_TEN_DIGITS = "substr('000000000' || n, length('000000000' || n) - 9)"

# What is different in each copy, as SQL over the copy's number `n` and the number of its place `spot`.
_COPIED = {
    "ringback_targets": {"id": "{first} + n", "key": "d.key || '-' || n"},
    "ringback_messages": {
        "id": "{first} + n",
        "message_id": f"substr(d.message_id, 1, 26) || {_TEN_DIGITS} || substr(d.message_id, 37)",
        "target_id": "{first} + n",
    },
    "ringback_deliveries": {"id": "{first} + n", "target_id": "{first} + n"},
}
_ADDRESS = "'127.' || (spot / 62500 + 1) || '.' || (spot / 250 % 250) || '.' || (spot % 250 + 1)"
_NUMBERS = {
    "postgresql": "SELECT n, n % :places AS spot FROM generate_series(1, :count) AS n",
    "sqlite": "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count) "
    "SELECT n, n % :places AS spot FROM numbers",
}
_ADVANCE = "SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))"
_WITH_ADDRESS = ("destination", "endpoint", "url")


async def seed(
    database: str, count: int, base_url: str, *, places: int = 1, key: str = "invoice", v1a: bool = False
) -> None:
    """Owe `count` deliveries, each the first of its own invoice, to `base_url`.

    With `places` above one they go round so many addresses of this machine (127.x.y.z) in its stead. With
    `v1a` they carry a second signature.
    """
    ringback = make_app(database=database, worker="external")
    await ringback.migrate()
    async with ringback.transaction() as session:
        await ringback.signing_secret(session)
        if v1a:
            await ringback.public_key(session)
        await owe(ringback, session, key, base_url)
    async with ringback.engine.begin() as connection:
        await connection.run_sync(_copy, count - 1, places)
    if ringback.engine.dialect.name == "postgresql":
        async with ringback.engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(text("VACUUM ANALYZE"))
            await connection.execute(text("CHECKPOINT"))
    await ringback.engine.dispose()


def _copy(connection: Connection, count: int, places: int) -> None:
    for table, changes in _COPIED.items():
        _copy_row(connection, table, dict(changes), count, places)


def _copy_row(connection: Connection, table: str, changes: dict[str, str], count: int, places: int) -> None:
    found = connection.execute(text(f"SELECT * FROM {table} ORDER BY id DESC LIMIT 1")).mappings().one()
    last: dict[str, Any] = {str(name): value for name, value in found.items()}
    if places > 1:
        addressed = [name for name in _WITH_ADDRESS if name in last]
        changes |= {name: f"replace(d.{name}, '127.0.0.1', {_ADDRESS})" for name in addressed}
    values = [changes.get(name, f'd."{name}"').format(first=last["id"]) for name in last]
    columns = ", ".join(f'"{name}"' for name in last)
    statement = (
        f"INSERT INTO {table} ({columns}) SELECT {', '.join(values)} "
        f"FROM ({_NUMBERS[connection.dialect.name]}) AS numbers, {table} AS d WHERE d.id = :last"
    )
    connection.execute(text(statement), {"count": count, "places": places, "last": last["id"]})
    if connection.dialect.name == "postgresql":
        connection.execute(text(_ADVANCE.format(table=table)))
