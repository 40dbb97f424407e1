"""Sees every LM that is called in a run: takes over those it can, names those it cannot."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any

import dspy

from ragc.errors import RagcError
from ragc.models.gateway._key import Handover

if TYPE_CHECKING:
    from ragc.models.gateway._gateway import Gateway


class Watcher(Handover):
    """A DSPy callback for `dspy.context(callbacks=[…])` around everything that a run does.

    An LM that does not go through the gateway, because a program or an optimizer made it, gets the gateway's engine
    before it sends its first request, and its own back at the end of the run. What is no `dspy.LM` cannot be taken
    over: it is noted as a stranger. (A callback cannot refuse a call: DSPy only logs its exceptions.)
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._lock = threading.Lock()
        self._adopted: weakref.WeakKeyDictionary[dspy.LM, dict[str, Any]] = weakref.WeakKeyDictionary()

    def on_lm_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        super().on_lm_start(call_id, instance, inputs)
        with self._lock:
            if getattr(getattr(instance, "engine", None), "gateway", None) is self._gateway:
                return
            try:
                self._adopt(instance)
            except (RagcError, TypeError, ValueError):  # its model string or its settings are none of ours
                self._gateway.note_stranger(str(getattr(instance, "model", type(instance).__name__)))

    def release(self) -> None:
        """Gives the LMs that were taken over their own engines back."""
        with self._lock:
            for lm, own in self._adopted.items():
                lm.__dict__.update(own)
            self._adopted.clear()

    def _adopt(self, lm: Any) -> None:
        from ragc.models._edge import Edge
        from ragc.models._engine import AsyncEngine, Engine
        from ragc.project import ModelSettings

        if not isinstance(lm, dspy.LM) or type(lm).__call__ is not dspy.LM.__call__ or lm.model_type == "text":
            raise TypeError(f"{type(lm).__name__} is no dspy.LM")
        spec = lm.engine
        if isinstance(spec, Engine):  # of an artifact that the program calls
            engine = Engine(spec.settings, gateway=self._gateway)
        else:
            url = lm.kwargs.get("api_base") or lm.kwargs.get("base_url")
            timeout = lm.kwargs.get("timeout")
            given = {"base_url": url, "timeout": float(timeout) if isinstance(timeout, int | float) else None}
            settings = ModelSettings.model_validate(
                {"model": lm.model, **{name: value for name, value in given.items() if value is not None}}
            )
            inner = None if isinstance(spec, str) else Edge(spec, None)
            engine = Engine(settings, gateway=self._gateway, inner=inner, key=lm.kwargs.get("api_key"))
        own = {name: lm.__dict__[name] for name in ("_engine_spec", "_async_engine_spec", "cache", "num_retries")}
        self._adopted[lm] = own
        lm._engine_spec, lm._async_engine_spec = engine, AsyncEngine(engine)
        lm.cache, lm.num_retries = False, 0
