"""Sees every LM that is called in a run: takes over those it can, names those it cannot."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any

import dspy
from dspy.clients.backend_selection import CLIENT_KEYS, NATIVE_CLIENT_KEYS

from ragc.errors import RagcError
from ragc.models._errors import ModelRefused
from ragc.models._unsent import Unsent

if TYPE_CHECKING:
    from ragc.models.gateway._gateway import Gateway


class Watcher:
    """Sees every LM that is called in a run before it sends anything (`_seam`).

    An LM that does not go through the gateway, because a program or an optimizer made it, gets the gateway's engine,
    and its own back at the end of the run. DSPy's cache, which would answer before an engine is asked, is off
    meanwhile. What cannot be taken over is a stranger, and its call is refused: what is no `dspy.LM`, one that
    overrides how it is called, one whose connection has settings that no model of ragc has.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._lock = threading.Lock()
        self._adopted: weakref.WeakKeyDictionary[dspy.LM, dict[str, Any]] = weakref.WeakKeyDictionary()
        self._strangers: dict[str, str] = {}
        self.is_open = True
        """Whether the run goes on: what it started may outlive it."""

    def see(self, lm: Any) -> None:
        """`lm` is called. Raises ModelError where it is a stranger."""
        if isinstance(getattr(lm, "engine", None), Unsent):
            return  # it sends nothing, and must not be given an engine that does
        why = ""
        with self._lock:
            if getattr(getattr(lm, "engine", None), "gateway", None) is self._gateway:
                lm._cache_responses = False  # a copy with `cache=True` would be answered past the gateway
                return
            try:
                self._adopt(lm)
                return
            except (TypeError, ValueError):  # its settings are none of ours
                pass
            except RagcError as error:  # its model string is none of ours
                why = str(error)
        self.note(str(getattr(lm, "model", type(lm).__name__)), why)
        refusal = self.refusal
        if refusal is not None:
            self._gateway.refuse(refusal)
            raise refusal

    def note(self, model: str, why: str = "") -> None:
        """A call was made past the gateway; `why` it could not be taken over, where there is more to say."""
        with self._lock:
            self._strangers[model] = why

    @property
    def strangers(self) -> tuple[str, ...]:
        """Models that were called past the gateway, in the order in which they were seen first."""
        with self._lock:
            return tuple(self._strangers)

    @property
    def refusal(self) -> ModelRefused | None:
        """Why the run cannot go on, where a model was called past the gateway."""
        with self._lock:
            names, reasons = list(self._strangers), [why for why in self._strangers.values() if why]
        if not names:
            return None
        return ModelRefused(
            f"{', '.join(names)} {'were' if len(names) > 1 else 'was'} called past ragc, which can neither count nor "
            'repeat that: call models as dspy.LM("provider/name", …), with no more than api_key, api_base and timeout '
            "to say how they are reached" + (f" ({'; '.join(reasons)})" if reasons else "")
        )

    def release(self) -> None:
        """The run is over: the LMs that were taken over get their own engines back."""
        with self._lock:
            self.is_open = False
            for lm, own in self._adopted.items():
                del lm.__dict__["_cache_responses"]
                lm.__dict__.update(own)
            self._adopted.clear()

    def _adopt(self, lm: Any) -> None:
        from ragc.models._edge import Edge
        from ragc.models._engine import AsyncEngine, Engine
        from ragc.project import ModelSettings

        if not isinstance(lm, dspy.LM) or _is_overridden(lm) or lm.model_type not in ("chat", "responses"):
            raise TypeError(f"{type(lm).__name__} is no dspy.LM")
        spec = lm.engine
        connection = CLIENT_KEYS & lm.kwargs.keys()
        if connection - NATIVE_CLIENT_KEYS:
            raise TypeError(f"no model of ragc has {min(connection - NATIVE_CLIENT_KEYS)}")
        if isinstance(spec, Engine):  # of an artifact that the program calls
            engine = Engine(spec.settings, gateway=self._gateway, wire=spec.wire)
        else:
            url = lm.kwargs.get("api_base") or lm.kwargs.get("base_url")
            timeout = lm.kwargs.get("timeout")
            given = {"base_url": url, "timeout": float(timeout) if isinstance(timeout, int | float) else None}
            settings = ModelSettings.model_validate(
                {"model": lm.model, **{name: value for name, value in given.items() if value is not None}}
            )
            inner = None if isinstance(spec, str) else Edge(spec, None)
            engine = Engine(
                settings, gateway=self._gateway, inner=inner, key=lm.kwargs.get("api_key"), wire=lm.model_type
            )
        names = ("_engine_spec", "_async_engine_spec", "_cache_responses", "cache", "num_retries", "kwargs")
        self._adopted[lm] = {name: lm.__dict__[name] for name in names if name in lm.__dict__}
        # DSPy refuses to copy an LM that has both an engine and settings for a connection.
        lm.kwargs = {name: value for name, value in lm.kwargs.items() if name not in connection}
        lm._engine_spec, lm._async_engine_spec = engine, AsyncEngine(engine)
        lm._cache_responses = lm.cache = False
        lm.num_retries = 0


def _is_overridden(lm: dspy.LM) -> bool:
    """Whether the LM answers by code of its own, past every engine."""
    return any(
        name in vars(lm) or getattr(type(lm), name) is not getattr(dspy.LM, name)
        for name in ("__call__", "acall", "forward", "aforward")
    )
