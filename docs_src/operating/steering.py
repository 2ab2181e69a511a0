import os

from fastapi import FastAPI

from ringback import Filter, Ringback

app = FastAPI()
ringback = Ringback(app, database=os.environ.get("DATABASE_URL", "sqlite+aiosqlite:///ringback.db"))


async def send_again(owner: str, base_url: str) -> int:
    """After an outage: call the endpoint again, and send what died, ten a second."""
    async with ringback.transaction() as session:
        await ringback.enable_endpoint(session, base_url, owner=owner)
    sent = 0
    after: int | None = 0
    while after is not None:
        async with ringback.transaction() as session:
            batch = await ringback.replay_all(session, Filter(owner=owner), rate=10, after=after)
        sent, after = sent + batch.count, batch.after
    return sent
