"""Pages and sign-in on fakes, as a browser without script would see them."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest

from bridge.flow.ports import Identity
from bridge.web.application import create_app
from bridge.web.context import WebContext
from tests.fakes.showroom import DAY, NOW, a_context

PAGES = [
    "/inbox",
    "/inbox?tab=all",
    "/inbox?tab=closed",
    "/inbox?tab=waiting",
    "/fleet",
    "/fleet?condition=offline",
    "/cases/C-2041",
    "/cases/C-2043",
    "/cases/C-2019",
    "/assets/HX450-0173",
    "/assets/HX450-0174",
    "/assets/test-rig-9",
    "/api",
]
HOME = {"Origin": "http://t"}
HTML = {"Accept": "text/html"}


@pytest.fixture
def context() -> WebContext:
    """Give the demo's context on fakes."""
    return a_context()


@pytest.fixture
async def browser(context: WebContext) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client that keeps cookies."""
    transport = httpx.ASGITransport(create_app(context))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://t", headers=HTML
    ) as client:
        yield client


async def sit(browser: httpx.AsyncClient, role: str) -> httpx.Response:
    """Take a seat."""
    return await browser.post("/signin/seat", data={"role": role}, headers=HOME)


@pytest.mark.parametrize("role", ["engineer", "account-manager", "coordinator", "operator"])
@pytest.mark.parametrize("language", ["en", "de"])
async def test_every_page_shows_to_every_role(browser, role, language):
    """Each page renders for each role in both languages, no place of it left empty."""
    await sit(browser, role)
    await browser.post("/language", data={"language": language}, headers=HOME)
    for path in PAGES:
        answer = await browser.get(path)
        assert answer.status_code == 200, path
        assert f'<html lang="{language}">' in answer.text
        assert "<h1" in answer.text


@pytest.mark.parametrize("path", ["/inbox", "/cases/C-2041", "/fleet", "/assets/HX450-0173"])
async def test_strangers_are_led_to_the_sign_in(browser, path):
    """Who is not signed in lands on the sign-in, which leads back."""
    answer = await browser.get(path)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/signin?to={path}"


async def test_one_click_takes_a_seat(browser, context):
    """A seat of the demo signs in, and the simulated colleague is told to step aside."""
    answer = await sit(browser, "account-manager")
    assert answer.status_code == 303
    assert context.demo.taken == ["am-1"]
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    page = await browser.get("/inbox")
    assert "Ada Brook" in page.text


async def test_cookies_are_for_tls_off_loopback():
    """Where the service is secure, the session's cookie travels over TLS only."""
    context = a_context(demo=False)
    await context.people.add_user("default", "fe-1", "right")
    app = create_app(WebContext(**{**fields(context), "secure": True}))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="https://t") as client:
        form = {"person": "fe-1", "password": "right"}
        answer = await client.post("/signin", data=form, headers={"Origin": "https://t"})
        assert "secure" in answer.headers["set-cookie"].lower()
        assert answer.headers["strict-transport-security"]


def fields(context: WebContext) -> dict:
    """Return a context's parts by name."""
    return {name: getattr(context, name) for name in WebContext.__dataclass_fields__}


async def test_passwords_open_and_close():
    """The right password signs in, a wrong one says so, and signing out ends the session."""
    context = a_context(demo=False)
    await context.people.add_user("default", "fe-1", "right")
    transport = httpx.ASGITransport(create_app(context))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://t", headers=HTML
    ) as client:
        wrong = {"person": "fe-1", "password": "wrong"}
        assert (await client.post("/signin", data=wrong, headers=HOME)).status_code == 401
        right = {"person": "fe-1", "password": "right", "to": "/fleet"}
        answer = await client.post("/signin", data=right, headers=HOME)
        assert answer.headers["location"] == "/fleet"
        session = dict(client.cookies)
        assert (await client.get("/inbox")).status_code == 200
        await client.post("/signout", headers=HOME)
        client.cookies.update(session)
        assert (await client.get("/inbox")).status_code == 303
        seat = await client.post("/signin/seat", data={"role": "engineer"}, headers=HOME)
        assert seat.status_code == 404


@pytest.mark.parametrize("to", ["//evil.example", "https://evil.example", "/\\evil.example"])
async def test_the_sign_in_leads_nowhere_else(browser, to):
    """A link to the sign-in cannot lead to another site."""
    answer = await browser.post(
        "/signin/seat", data={"role": "engineer", "to": to}, headers=HOME
    )
    assert answer.headers["location"] == "/"


@pytest.mark.parametrize("origin", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {}])
async def test_other_sites_cannot_act(browser, context, origin):
    """What another site's page sends with our cookie is refused, on pages and on REST."""
    await sit(browser, "engineer")
    act = await browser.post(
        "/api/v1/cases/C-2041/acts", json={"do": "acknowledge"}, headers=origin
    )
    assert act.status_code == 403
    clock = await browser.post("/demo/clock", data={"do": "pause"}, headers=origin)
    assert clock.status_code == 403
    assert context.inbox.inputs == []


async def test_our_own_pages_act(browser, context):
    """The same request from our own page is carried out."""
    await sit(browser, "engineer")
    act = await browser.post(
        "/api/v1/cases/C-2041/acts", json={"do": "acknowledge"}, headers=HOME
    )
    assert act.status_code == 200
    assert context.inbox.inputs[0].by == "fe-1"


async def test_pages_run_nothing_inline(browser):
    """No page has inline script, style or handler, and the policy would refuse them."""
    await sit(browser, "engineer")
    for path in ["/signin", *PAGES]:
        answer = await browser.get(path)
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=", answer.text)
        assert not re.search(r"(?:src|href)=\"(?:https?:)?//", answer.text)


async def test_a_part_is_only_the_live_part(browser):
    """When a page asks for news it gets the live part without the frame."""
    await sit(browser, "engineer")
    whole = (await browser.get("/cases/C-2041")).text
    part = (await browser.get("/cases/C-2041", headers={"X-Part": "1"})).text
    assert part.lstrip().startswith('<div id="live"')
    assert "<html" not in part
    assert len(part) < len(whole)


async def test_typed_text_is_text(browser):
    """What a person typed shows as typed and never as markup."""
    await sit(browser, "engineer")
    body = {"do": "confirm-finding", "finding": "<script>alert(1)</script>"}
    await browser.post("/api/v1/cases/C-2041/acts", json=body, headers=HOME)
    page = (await browser.get("/cases/C-2041")).text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


async def test_the_table_and_the_plot_show_the_same_numbers(browser):
    """The healthy band of the table is the band of the plot."""
    await sit(browser, "engineer")
    page = (await browser.get("/cases/C-2041")).text
    assert "0.27 \N{EN DASH} 0.57 g" in page
    plot = (await browser.get("/cases/C-2041/plot")).json()
    text = str(plot)
    assert "envelope [g]  58 %" in text
    bands = [float(each) for each in re.findall(r"'bottom': ([0-9.]+)", text)]
    assert bands[0] == pytest.approx(0.27)


async def test_refused_acts_show_in_the_story(browser):
    """What was refused stands in the timeline with its reason."""
    await sit(browser, "account-manager")
    body = {"do": "inform", "told": "too early"}
    await browser.post("/api/v1/cases/C-2041/acts", json=body, headers=HOME)
    page = (await browser.get("/cases/C-2041")).text
    assert "Log the call was refused (409)" in page


async def test_the_demo_clock_obeys(browser):
    """Pause, resume and speed reach the demo, and speeds beyond its range are refused."""
    await sit(browser, "engineer")
    pause = await browser.post("/demo/clock", data={"do": "pause"}, headers=HOME)
    assert pause.json()["paused"] is True
    fast = {"do": "speed", "speed": "600"}
    assert (await browser.post("/demo/clock", data=fast, headers=HOME)).json()["speed"] == 600
    wild = {"do": "speed", "speed": "1e9"}
    assert (await browser.post("/demo/clock", data=wild, headers=HOME)).status_code == 422


async def test_missing_pages_say_so(browser):
    """A page that is not there is a page, with the status of what it is."""
    await sit(browser, "engineer")
    answer = await browser.get("/cases/C-3001")
    assert answer.status_code == 404
    assert "This is not here." in answer.text


async def test_a_demos_session_ends_with_the_demo(context):
    """A session taken in the demo opens nothing when the same records serve for real."""
    identity = Identity("default", "fe-1", "engineer", "demo")
    session = await context.people.open_session(identity, expires=NOW + DAY)
    for demo, status in ((context.demo, 200), (None, 401)):
        app = create_app(WebContext(**{**fields(context), "demo": demo}))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
            client.cookies.set("bridge_session", session)
            assert (await client.get("/api/v1/me")).status_code == status
