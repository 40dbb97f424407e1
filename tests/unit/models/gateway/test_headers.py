"""Rate-limit headers as the providers write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ragc.models.gateway._headers import Spent, seconds_until, spent

NOW = datetime(2026, 9, 1, 12, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        ("1s", 1),
        ("6m0s", 360),
        ("1h2m3.5s", 3723.5),
        ("20ms", 0.02),
        ("2m59.56s", 179.56),
        ("26", 26),
        ("0.5", 0.5),
        (str(NOW + 30), 30),
        (str(1000 * (NOW + 30)), 30),
        ("2026-09-01T12:00:45Z", 45),
        ("2026-09-01T14:00:45+02:00", 45),
        ("2026-09-01T12:00:45", 45),
    ],
)
def test_forms_of_a_reset(reset: str, seconds: float) -> None:
    assert seconds_until(reset, NOW) == pytest.approx(seconds, abs=1e-3)


@pytest.mark.parametrize(
    "reset",
    ["", "soon", "-5", "nan", "inf", "0", "0s", "6m0", "1e999", "2026-09-01T11:59:59Z", str(NOW - 1), "5 apples"],
)
def test_a_reset_that_is_past_or_cannot_be_read_says_nothing(reset: str) -> None:
    assert seconds_until(reset, NOW) is None


def test_openais_names() -> None:
    headers = {
        "x-ratelimit-limit-tokens": ("30000",),
        "x-ratelimit-remaining-requests": ("12",),
        "x-ratelimit-reset-requests": ("8.64s",),
        "x-ratelimit-remaining-tokens": ("0",),
        "x-ratelimit-reset-tokens": ("5s",),
    }
    assert spent(headers, NOW) == Spent("tokens", 5.0)


def test_anthropics_names() -> None:
    headers = {
        "anthropic-ratelimit-input-tokens-remaining": ("0",),
        "anthropic-ratelimit-input-tokens-reset": ("2026-09-01T12:00:10Z",),
        "anthropic-ratelimit-requests-remaining": ("0",),
        "anthropic-ratelimit-requests-reset": ("2026-09-01T12:00:03Z",),
    }
    assert spent(headers, NOW) == Spent("input tokens", 10.0)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-ratelimit-remaining-requests": ("0",)},
        {"x-ratelimit-remaining-requests": (), "x-ratelimit-reset-requests": ("1s",)},
        {"x-ratelimit-remaining-requests": ("none",), "x-ratelimit-reset-requests": ("1s",)},
        {"x-ratelimit-remaining-requests": ("-1",), "x-ratelimit-reset-requests": ("1s",)},
        {"x-ratelimit-remaining-requests": ("0",), "x-ratelimit-reset-tokens": ("1s",)},
        {"retry-after": ("9",)},
    ],
)
def test_what_does_not_say_that_nothing_is_left(headers: dict[str, tuple[str, ...]]) -> None:
    assert spent(headers, NOW) is None
