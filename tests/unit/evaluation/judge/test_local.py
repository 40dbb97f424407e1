"""The real local model as a judge: a poor one, but every call goes all the way, and what it says is on the scale."""

from __future__ import annotations

import pytest

from ragc.evaluation.judge import SHARES, Judge
from ragc.models import Gateway
from ragc.project import ModelSettings


@pytest.mark.model
def test_the_local_model_judges_on_the_scale_through_the_gateway() -> None:
    gateway = Gateway()
    judge = Judge.open(ModelSettings(model="local/smollm2-135m-instruct"), gateway)
    possible = {0.0} | {2 * r * p / (r + p) for r in SHARES.values() for p in SHARES.values() if r + p}
    accepted = ["five days", "up to five days"]
    scores = [judge.graded("How many days can I carry over?", accepted, said).value for said in ("five days", "ten")]
    assert set(scores) <= possible
    assert gateway.usage.calls == 2 and gateway.usage.output_tokens > 0
    again = judge.graded("How many days can I carry over?", accepted, "ten").value
    assert (again, gateway.usage.calls) == (scores[1], 2)
