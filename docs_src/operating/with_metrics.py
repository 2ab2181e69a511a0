import hmac
import json
import logging
import os

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import PlainTextResponse

from ringback import Ringback

app = FastAPI()
ringback = Ringback(app, database=os.environ.get("DATABASE_URL", "sqlite+aiosqlite:///ringback.db"))


@app.get("/metrics", include_in_schema=False)
async def metrics(request: Request) -> PlainTextResponse:
    given, token = request.headers.get("authorization", ""), os.environ["METRICS_TOKEN"]
    if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
        raise HTTPException(401)
    return PlainTextResponse(await ringback.metrics(), media_type="text/plain; version=0.0.4")


class AsJson(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = record.args if isinstance(record.args, dict) else {"message": record.getMessage()}
        return json.dumps({"time": record.created, "logger": record.name} | fields)


handler = logging.StreamHandler()
handler.setFormatter(AsJson())
logging.getLogger("ringback.attempt").addHandler(handler)
logging.getLogger("ringback.attempt").setLevel(logging.INFO)
