"""How fast the APIs answer, alone and under many requests at once, and how often they do not."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from nfvcert.suite import CloudSession, Estimate, KpiRecorder, Parameters, Progress, estimate_median, response_to

pytestmark = [pytest.mark.vim, pytest.mark.small]


@pytest.mark.covers("keystone", "nova", "neutron", "glance", "cinder", "database", "memory-cache", "api-load-balancer")
@pytest.mark.measures("vim.api.response_p50", "vim.api.response_p99", "vim.api.failure_ratio")
@pytest.mark.expected_seconds(30)
def test_apis_answer_in_time(cloud: CloudSession, kpi: KpiRecorder, parameters: Parameters, progress: Progress) -> None:
    """Response times by operation, one request after the other and many at once."""
    operations = _operations(cloud)
    rounds = [(name, at_once) for at_once in parameters.api_concurrency for name in operations]
    failed: dict[int, list[str]] = {at_once: [] for at_once in parameters.api_concurrency}
    asked = dict.fromkeys(failed, 0)
    for number, (name, at_once) in enumerate(rounds):
        progress(number, len(rounds), f"{name}, {at_once} at once")
        count = max(parameters.api_requests, 2 * at_once)
        with ThreadPoolExecutor(at_once) as pool:
            answers = list(pool.map(_asked, [operations[name]] * count))
        times = sorted(seconds for seconds, trouble in answers if not trouble)
        failed[at_once] += [f"{name}: {trouble}" for _, trouble in answers if trouble]
        asked[at_once] += count
        if not times:
            continue
        kpi.measure("vim.api.response_p50", estimate_median(times), operation=name, concurrency=at_once)
        slowest = Estimate.exact(times[int(0.99 * (len(times) - 1) + 0.999)])
        kpi.measure("vim.api.response_p99", slowest, operation=name, concurrency=at_once)
        shares = [(1000 * seconds, 100 * (rank + 1) / len(times)) for rank, seconds in enumerate(times)]
        kpi.series(f"{name}, {at_once} at once", shares, x="response time in ms", y="% of the requests", kind="steps")
    for at_once, troubles in failed.items():
        kpi.note(concurrency=at_once, failed=troubles)
        kpi.measure("vim.api.failure_ratio", len(troubles) / asked[at_once], concurrency=at_once)


def _operations(cloud: CloudSession) -> dict[str, Callable[[], Any]]:
    """Name → a request, whose answer has a status code."""
    user = cloud.project()
    password = {"user": {"id": user.user_id, "password": user.password}}
    body = {"auth": {"identity": {"methods": ["password"], "password": password}}}
    sdk = user.sdk
    return {
        "token": lambda: sdk.session.post(
            f"{_identity(cloud)}/auth/tokens", json=body, authenticated=False, raise_exc=False
        ),
        "image-list": lambda: sdk.image.get("/images", params={"limit": 50}),
        "flavor-list": lambda: sdk.compute.get("/flavors/detail"),
        "server-list": lambda: sdk.compute.get("/servers/detail"),
        "network-list": lambda: sdk.network.get("/networks"),
        "volume-list": lambda: sdk.block_storage.get("/volumes/detail"),
    }


def _identity(cloud: CloudSession) -> str:
    return str(cloud.sdk.config.get_auth_args()["auth_url"])


def _asked(request: Callable[[], Any]) -> tuple[float, str]:
    """Seconds until the answer, and what is wrong with it."""
    response = response_to(request)
    status = response.answer.status_code if response.answer is not None else 0
    return response.seconds, response.trouble or ("" if status < 400 else f"status {status}")
