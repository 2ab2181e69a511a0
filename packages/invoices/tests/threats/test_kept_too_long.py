"""Threat t39: who a customer is stays in the invoice, which the law wants kept, and goes from all else."""

from typing import Any

import pytest
from sqlalchemy import inspect, text

NAME, ADDRESS = "Zebediah Featherstonehaugh", "zebediah@example.com"
ENDED = "UPDATE ringback_deliveries SET state = 'delivered', finished_at = created_at - :age"
OLDER = "UPDATE stored_answers SET created_at = '2020-01-01 00:00:00'"
MONTH = 31 * 86_400


async def places(service: Any) -> set[str]:
    """The tables in which the customer's name or address stands."""

    def look(connection: Any) -> set[str]:
        found = set()
        for table in inspect(connection).get_table_names():
            rows = repr(connection.execute(text(f'SELECT * FROM "{table}"')).all())
            if NAME in rows or ADDRESS in rows:
                found.add(table)
        return found

    async with service.app.state.engine.connect() as connection:
        found: set[str] = await connection.run_sync(look)
    return found


async def test_t39_after_its_time_a_customer_is_named_by_the_invoice_alone(start_service: Any) -> None:
    async with start_service() as service:
        invoice = {"id": "1", "customer": NAME, "customer_email": ADDRESS, "total": 1}
        kept = {"Idempotency-Key": "once"}
        sent = await service.send(invoice, callback_url="https://www.external.org/", headers=kept)
        assert sent.status_code == 200
        assert await places(service) == {"invoices", "ringback_messages"}  # the mail that is owed
        ringback = service.app.state.ringback
        async with service.app.state.engine.begin() as connection:
            await connection.execute(text(ENDED), {"age": MONTH})
            await connection.execute(text(OLDER))

            def prune(sync: Any) -> int:
                deleted: int = ringback._store.operations.prune(sync, age=MONTH - 86_400)
                return deleted

            assert await connection.run_sync(prune) >= 1
        assert await places(service) == {"invoices"}
        other = await service.send(
            {"id": "2", "customer": "C", "total": 1}, headers={"Idempotency-Key": "other"}
        )
        assert other.status_code == 200
        assert await service.count("stored_answers") == 1  # those of yesterday go with the next one


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_t39_what_is_owed_is_never_too_old(start_service: Any) -> None:
    async with start_service() as service:
        await service.send({"id": "1", "customer": NAME, "customer_email": ADDRESS, "total": 1})
        async with service.app.state.engine.begin() as connection:
            await connection.execute(text("UPDATE ringback_deliveries SET created_at = 0, due_at = 0"))
            prune = service.app.state.ringback._store.operations.prune
            assert await connection.run_sync(lambda sync: prune(sync, age=1.0)) == 0
        assert "ringback_messages" in await places(service)
