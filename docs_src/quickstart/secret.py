import asyncio

from app import ringback


async def main() -> None:
    await ringback.migrate()
    async with ringback.transaction() as session:
        print(await ringback.signing_secret(session))


asyncio.run(main())
