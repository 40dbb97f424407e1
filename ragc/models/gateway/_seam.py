"""The seam in DSPy: where every call of every LM passes, however it is made.

`lm(…)`, `lm.acall(…)`, `lm.forward(…)` and `lm.aforward(…)` all go through two functions of `dspy.clients.execution`:
`prepare`, and then `execute` or `aexecute`. While a gateway is open, they are wrapped: the first shows the LM to the
watcher of the run that it is called in, the other hands the rollout id to the engine, to which DSPy does not. (DSPy's
callbacks see neither `forward` nor a thread without context, cannot refuse a call, and take a fifth of its time.)

A run is a context (`inside`). What is started in it belongs to it as well: a thread of the program's own begins in a
copy of the context that started it, as Python 3.14 can be told to do, and so does a function given to an executor.

The last gateway that closes takes all of it away. Outside a run nothing changes for anybody.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, thread
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import dspy
from dspy.clients import execution

from ragc.models.gateway._key import lm_call

if TYPE_CHECKING:
    from ragc.models.gateway._watch import Watcher

_WATCHER = "ragc_watcher"
"""Among DSPy's settings, because DSPy takes them along into the threads that it starts itself (`dspy.Parallel`)."""

_lock = threading.RLock()  # a gateway that is forgotten leaves from wherever the garbage collector strikes
_open: set[int] = set()
_undo = contextlib.ExitStack()


@contextlib.contextmanager
def inside(watcher: Watcher) -> Iterator[None]:
    """Calls made inside, in this context and in what is started in it, are shown to `watcher`."""
    with dspy.context(**{_WATCHER: watcher}):
        yield


def enter(gateway: int) -> None:
    """A gateway is opened, to be known by this number."""
    with _lock:
        first = not _open
        _open.add(gateway)
        if first:
            _wrap(execution, "prepare", _prepare)
            _wrap(execution, "execute", _execute)
            _wrap(execution, "aexecute", _aexecute)
            _wrap(threading.Thread, "start", _start)
            _wrap(ThreadPoolExecutor, "submit", _submit)


def leave(gateway: int) -> None:
    """It is closed."""
    with _lock:
        _open.discard(gateway)
        if not _open:
            _undo.close()


def _wrap(owner: Any, name: str, around: Callable[..., Any]) -> None:
    own = getattr(owner, name)

    @functools.wraps(own)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return around(own, *args, **kwargs)

    setattr(owner, name, wrapped)

    def restore() -> None:
        if getattr(owner, name) is wrapped:  # else somebody has wrapped it after us, and calls what calls its own
            setattr(owner, name, own)

    _undo.callback(restore)


def _watching() -> Watcher | None:
    found: Watcher | None = dspy.settings.get(_WATCHER)
    return found if found is not None and found.is_open else None


def _prepare(own: Callable[..., Any], lm: Any, *args: Any, **kwargs: Any) -> Any:
    watcher = _watching()
    if watcher is not None:
        watcher.see(lm)
    return own(lm, *args, **kwargs)


def _execute(own: Callable[..., Any], lm: Any, call: Any) -> Any:
    with lm_call(_rollout(lm, call)):
        return own(lm, call)


async def _aexecute(own: Callable[..., Any], lm: Any, call: Any) -> Any:
    with lm_call(_rollout(lm, call)):
        return await own(lm, call)


def _rollout(lm: Any, call: Any) -> int | str | None:
    given: dict[str, Any] = call.kwargs
    rollout: int | str | None = given["rollout_id"] if "rollout_id" in given else lm.kwargs.get("rollout_id")
    return rollout


def _start(own: Callable[..., Any], started: threading.Thread) -> None:
    # An executor's threads outlive what they are started for: there each function has its own context.
    if _watching() is not None and getattr(started, "_target", None) is not thread._worker:
        started.run = functools.partial(copy_context().run, started.run)  # type: ignore[method-assign]
    own(started)


def _submit(
    own: Callable[..., Future[Any]],
    executor: ThreadPoolExecutor,
    work: Callable[..., Any],
    /,
    *args: Any,
    **kwargs: Any,
) -> Future[Any]:
    if _watching() is not None:
        work = functools.partial(copy_context().run, work)
    return own(executor, work, *args, **kwargs)
