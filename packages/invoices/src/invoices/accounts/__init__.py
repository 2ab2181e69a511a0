"""API users: their accounts, their API keys, and who may call while no key exists."""
