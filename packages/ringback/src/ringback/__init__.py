"""Ringback."""
