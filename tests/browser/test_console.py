"""The console in a real browser, as both roles use it."""

import re

import pytest
from playwright.sync_api import Page, Route, expect

PAGES = ["/inbox", "/inbox?tab=all", "/cases/C-2041", "/fleet", "/assets/HX450-0173", "/api"]
NAMELESS = """() => {
  const name = (e) => [e.ariaLabel, e.labels?.[0]?.textContent, e.textContent, e.title]
    .find((text) => text?.trim());
  return [...document.querySelectorAll('a, button, input, select, textarea, summary')]
    .filter((e) => e.type !== 'hidden' && !name(e)).map((e) => e.outerHTML.slice(0, 120));
}"""
UNLEVEL = """() => {
  const levels = [...document.querySelectorAll('h1, h2, h3')]
    .filter((e) => !e.closest('dialog')).map((e) => Number(e.tagName[1]));
  return levels.filter((level, at) => at && level > levels[at - 1] + 1);
}"""
CONTRAST = """() => {
  const linear = (v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const weigh = (sum, v, at) => sum + linear(v / 255) * [0.2126, 0.7152, 0.0722][at];
  const luminance = (color) => color.slice(0, 3).reduce(weigh, 0);
  const rgb = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const color = rgb(getComputedStyle(e).backgroundColor);
      if (color.length && (color.length < 4 || color[3] === 1)) return color;
    }
    return [255, 255, 255];
  };
  const own = (e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.nodeValue.trim());
  const bad = new Set();
  for (const e of document.querySelectorAll('main *, header *, .demo *')) {
    if (!own(e) || !e.offsetParent || e.closest('.plot')) continue;
    const pair = [luminance(rgb(getComputedStyle(e).color)), luminance(behind(e))];
    const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    if (ratio < 4.5) bad.add(`${e.tagName}.${e.className} ${ratio.toFixed(2)}`);
  }
  return [...bad];
}"""


def acted(console, do: str) -> list:
    """Return the acts of a kind that reached the desk."""
    return [each for each in console.context.inbox.inputs if each.do == do]


def confirm(page: Page, text: str) -> None:
    """Fill and send the form that confirms the finding."""
    page.get_by_role("button", name="Confirm the finding").first.click()
    page.get_by_role("textbox", name="What was found?").fill(text)
    page.get_by_role("dialog").get_by_role("button", name="Confirm the finding").click()


def test_from_the_inbox_to_an_act(console, seat):
    """A case opened from the inbox shows an act in its timeline without a reload."""
    page = seat("engineer")
    page.get_by_role("link", name=re.compile("Plastics North · Line 3")).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Plastics North · Line 3")
    page.evaluate("window.stayed = true")
    confirm(page, "race mark in the envelope")
    expect(page.locator(".timeline")).to_contain_text("Confirmed the finding.")
    expect(page.locator(".timeline")).to_contain_text("race mark in the envelope")
    expect(page.get_by_text("“Confirm the finding” is done.")).to_be_visible()
    assert page.evaluate("window.stayed") is True
    assert acted(console, "confirm-finding")[0].by == "fe-1"


def test_the_other_side_sees_it_live(seat):
    """What the engineer does shows at the manager within 5 s; focus and scroll are kept."""
    manager = seat("account-manager", path="/cases/C-2041")
    expect(manager.get_by_text("Finding not confirmed yet")).to_be_visible()
    button = manager.get_by_role("button", name="Close the case")
    button.focus()
    manager.evaluate("scrollTo(0, 400)")
    engineer = seat("engineer", path="/cases/C-2041")
    confirm(engineer, "race mark")
    expect(manager.get_by_text("Finding confirmed")).to_be_visible(timeout=5_000)
    expect(button).to_be_focused()
    assert manager.evaluate("scrollY") > 300


def test_the_inbox_moves_by_itself(seat):
    """A row leaves the list of what waits for others once the other side has moved."""
    manager = seat("account-manager", path="/inbox?tab=waiting")
    expect(manager.locator(".row", has_text="C-2041")).to_be_visible()
    engineer = seat("engineer", path="/cases/C-2041")
    confirm(engineer, "race mark")
    expect(manager.locator(".row", has_text="C-2041")).to_have_count(0, timeout=5_000)


def test_an_act_survives_a_lost_connection(console, seat):
    """Without a connection an act is kept, said so, and sent once when it is back."""
    page = seat("engineer", path="/cases/C-2041")
    page.context.set_offline(True)
    confirm(page, "race mark")
    expect(page.locator("#outbox")).to_contain_text("is kept on this device")
    assert acted(console, "confirm-finding") == []
    page.context.set_offline(False)
    expect(page.locator("#outbox")).to_contain_text("was sent after the connection came back")
    assert len(acted(console, "confirm-finding")) == 1
    assert acted(console, "confirm-finding")[0].finding == "race mark"


def test_a_kept_act_outlives_the_page(console, seat):
    """An act that was kept is sent by the next page that this person opens."""
    page = seat("engineer", path="/cases/C-2041")
    page.route("**/acts", lambda route: route.abort())
    confirm(page, "race mark")
    expect(page.locator("#outbox")).to_contain_text("is kept on this device")
    page.unroute_all()
    page.goto(f"{console.url}/cases/C-2041")
    expect(page.locator(".timeline")).to_contain_text("Confirmed the finding.")
    assert len(acted(console, "confirm-finding")) == 1


def test_a_lost_answer_makes_no_second_act(console, seat):
    """When only the answer is lost, the act is sent again with its key and done once."""
    page = seat("engineer", path="/cases/C-2041")
    lost = []

    def lose(route: Route) -> None:
        if lost:
            route.continue_()
            return
        lost.append(route.fetch().status)
        route.abort()

    page.route("**/acts", lose)
    confirm(page, "race mark")
    expect(page.locator("#outbox")).to_contain_text("was sent after the connection came back")
    assert lost == [200]
    assert len(acted(console, "confirm-finding")) == 1


def test_a_draft_comes_back(seat):
    """What was typed and not sent is there again after the page was loaded anew."""
    page = seat("engineer", path="/cases/C-2041")
    page.get_by_role("button", name="False alarm").click()
    page.get_by_role("textbox", name="Reason").fill("a loose cable")
    page.reload()
    page.wait_for_selector("#link.on")
    page.get_by_role("button", name="False alarm").click()
    expect(page.get_by_role("textbox", name="Reason")).to_have_value("a loose cable")
    expect(page.get_by_text("Your draft from before is back.").last).to_be_visible()


def test_a_refusal_says_why(console, seat):
    """What the desk refuses is said with its reason, and stands in the timeline."""
    manager = seat("account-manager", path="/cases/C-2038")
    case = console.context.views.shelf.cases["default"]
    number = next(at for at, each in enumerate(case) if each.number == 2038)
    case[number] = case[number].model_copy(update={"state": "closed"})
    manager.get_by_role("button", name="Acknowledge").click()
    expect(manager.locator("#outbox")).to_contain_text("was refused: the case is closed")
    expect(manager.locator(".timeline .refused")).to_contain_text("409")


def test_by_keyboard_alone(seat):
    """From the inbox to an act without a mouse; a dialog gives the focus back."""
    page = seat("engineer")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    row = page.locator(".row a.cover").first
    for _ in range(20):
        page.keyboard.press("Tab")
        if row.evaluate("(e) => e === document.activeElement"):
            break
    expect(row).to_be_focused()
    page.keyboard.press("Enter")
    button = page.locator("[data-act=confirm-finding]")
    button.wait_for()
    page.wait_for_selector("#link.on")  # the page's script runs
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("textbox", name="What was found?")).to_be_focused()
    page.keyboard.press("Escape")
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.type("race mark")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".timeline")).to_contain_text("Confirmed the finding.")


def test_the_plot_is_drawn(console, seat):
    """The plot is drawn by the installed script, and the policy has nothing to object."""
    page = seat("engineer", path="/cases/C-2041")
    page.locator("[data-plot]").scroll_into_view_if_needed()
    page.wait_for_selector("[data-drawn]")
    assert page.locator("[data-plot]").bounding_box()["height"] > 300
    assert console.complaints == []


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_sound(console, seat, width, scheme):
    """No page scrolls sideways or has a nameless control, weak contrast or an error."""
    page = seat("engineer", width=width, color_scheme=scheme)
    for path in PAGES:
        page.goto(console.url + path)
        page.wait_for_selector("#link.on")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert page.evaluate(NAMELESS) == [], path
        assert page.evaluate(UNLEVEL) == [], path
        assert page.evaluate(CONTRAST) == [], path
        assert page.locator("main, header, nav").count() >= 3
        assert page.locator("h1").count() == 1
    assert console.complaints == []


def test_german_is_german(console, seat):
    """Who chooses German reads German, and the choice stays."""
    page = seat("engineer")
    page.locator("details.me summary").click()
    page.get_by_role("button", name="Deutsch").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Eingang")
    page.goto(f"{console.url}/cases/C-2041")
    expect(page.get_by_role("heading", name="Was zu tun ist")).to_be_visible()


def test_the_demo_clock_is_in_the_header(console, seat):
    """A click pauses the demo's clock and the next lets it go on."""
    page = seat("operator", path="/fleet")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Go on")).to_be_visible()
    assert console.context.demo.state().paused
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    page.get_by_label("Speed").select_option("600")
    expect(page.get_by_label("Speed")).to_have_value("600")
    page.wait_for_function("document.querySelector('[data-clock]').textContent.length > 5")
    assert console.context.demo.state().speed == 600
