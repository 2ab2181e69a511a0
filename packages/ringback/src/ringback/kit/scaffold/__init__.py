"""Writes a receiver's project from a document: types, handlers, verification, tests."""

from ringback.kit.scaffold._project import project_files
from ringback.kit.scaffold._writing import State, Written, write_files

__all__ = ["State", "Written", "project_files", "write_files"]
