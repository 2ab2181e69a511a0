"""Pictures of every page, made from a service that runs for real: ``make screenshots``."""
