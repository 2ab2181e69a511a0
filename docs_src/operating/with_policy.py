import os

from fastapi import FastAPI

from ringback import NetworkPolicy, Ringback

# Partners whose receivers stand in networks that are joined to ours.
PARTNERS = {"acme": NetworkPolicy.from_settings(["10.20.0.0/16"])}
# Customers that have asked for less.
STRICT = {"careful": NetworkPolicy.from_settings(https_only=True, allow_hosts=["*.careful.example"])}


def owner_policy(owner: str) -> NetworkPolicy | None:
    return PARTNERS.get(owner) or STRICT.get(owner)


app = FastAPI()
ringback = Ringback(
    app,
    database=os.environ.get("DATABASE_URL", "sqlite+aiosqlite:///ringback.db"),
    policy=NetworkPolicy.from_settings(
        ports=[80, 443, 8443],
        deny_hosts=["*.our-own-product.example"],
    ),
    owner_policy=owner_policy,
    proxy=os.environ.get("EGRESS_PROXY"),  # http://smokescreen:4750
)
