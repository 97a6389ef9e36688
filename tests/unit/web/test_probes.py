"""What machines that watch the service are told."""

import httpx

from bridge.web.application import create_app
from bridge.web.context import WebContext
from tests.fakes.showroom import a_context
from tests.unit.web.test_pages import fields


async def ask(context: WebContext, path: str) -> httpx.Response:
    """Ask a probe, not signed in."""
    transport = httpx.ASGITransport(create_app(context))
    async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
        return await client.get(path)


async def test_alive_and_ready():
    """A service that runs is alive and ready."""
    context = a_context()
    assert (await ask(context, "/healthz")).status_code == 200
    assert (await ask(context, "/readyz")).json() == {"status": "ready", "reasons": {}}


async def test_what_is_missing_is_named():
    """While a part does not run, the service is not ready and says which part and why."""
    reasons = {"broker": "connection refused"}
    context = WebContext(**{**fields(a_context()), "ready": lambda: reasons})
    answer = await ask(context, "/readyz")
    assert answer.status_code == 503
    assert answer.json()["reasons"] == reasons
    assert (await ask(context, "/healthz")).status_code == 200


async def test_metrics_are_prometheus_text():
    """The metrics of the service stand in Prometheus' format."""
    context = a_context()
    context.metrics.refused.labels("bad-json").inc(3)
    answer = await ask(context, "/metrics")
    assert 'bridge_refused_total{reason="bad-json"} 3.0' in answer.text
