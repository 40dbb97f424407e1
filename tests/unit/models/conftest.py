"""Fixtures of the models room: a scripted provider, a key for it, and retries that do not wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import dspy
import pytest

from provider import Provider
from ragc.models import AsyncEngine, Engine, Gateway
from ragc.models.gateway._retry import Retry
from ragc.project import ModelSettings

KEY = "sk-test-0123456789abcdefghij"

MakeLM = Callable[..., dspy.LM]
"""lm(gateway=None, retry=…, **settings) -> an LM whose calls go to the scripted provider."""


def settings(model: str, **values: Any) -> ModelSettings:
    """The configuration of a model."""
    return ModelSettings.model_validate({"model": model, **values})


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    """A scripted provider, with the key that it takes in OUR_KEY."""
    monkeypatch.setenv("OUR_KEY", KEY)
    with Provider() as server:
        yield server


@pytest.fixture
def hosted(provider: Provider) -> MakeLM:
    """Makes LMs of the scripted provider."""

    def make(gateway: Gateway | None = None, retry: Retry | None = None, **values: Any) -> dspy.LM:
        given = {"api_key_env": "OUR_KEY", "base_url": provider.base_url, **values}
        engine = Engine(
            settings(given.pop("model", "openai/our-model"), **given),
            gateway=gateway,
            retry=retry or Retry(attempts=3, first=0.001),
        )
        return dspy.LM(
            engine.settings.model,
            engine=engine,
            async_engine=AsyncEngine(engine),
            max_tokens=engine.settings.max_tokens,
            cache=False,
            num_retries=0,
        )

    return make
