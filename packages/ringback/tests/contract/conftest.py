"""Apps and models that the tests of contracts share."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from fastapi import FastAPI

from ringback._contract import Contract, Contracts
from ringback._declarations import read
from ringback._document import publish

HERE = Path(__file__).parent

Program = Callable[..., ModuleType]


@pytest.fixture
def tutorial_document() -> dict[str, Any]:
    """What plain FastAPI publishes of its tutorial's program."""
    document: dict[str, Any] = json.loads((HERE / "tutorial-openapi.json").read_bytes())
    return document


@pytest.fixture(params=["tutorial_py310.txt", "tutorial_union.txt"])
def program(request: pytest.FixtureRequest) -> Program:
    """Run one of the tutorial's two programs, with a line put first or last after ``app = FastAPI()``."""
    source = (HERE / "programs" / request.param).read_text()

    def run(*, first: str = "", last: str = "", **names: Any) -> ModuleType:
        module = ModuleType("tutorial")
        vars(module).update(names)
        text = source.replace("app = FastAPI()", f"app = FastAPI(); {first}") if first else source
        exec(compile(f"{text}\n{last}\n", str(HERE / "programs" / request.param), "exec"), vars(module))
        return module

    return run


@pytest.fixture
def app() -> FastAPI:
    """An app whose document is Ringback's."""
    app = FastAPI()
    publish(app)
    return app


@pytest.fixture
def only() -> Callable[[FastAPI], Contract]:
    """The one contract of an app."""

    def find(app: FastAPI) -> Contract:
        contracts: Contracts = read(app)
        (contract,) = contracts
        return contract

    return find
