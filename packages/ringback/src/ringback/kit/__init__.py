"""Tools for the external developer, who has a provider's OpenAPI document and a receiver to build."""
