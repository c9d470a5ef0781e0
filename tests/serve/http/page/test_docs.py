"""The pages of the interface, in a browser."""

from playwright.sync_api import Browser, Page, expect


def test_an_endpoint_can_be_tried_out(page: Page, url: str) -> None:
    page.goto(f"{url}/docs")
    page.locator("#operations-default-healthz_healthz_get").click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".request-url")).to_contain_text(f"{url}/healthz")
    expect(page.locator(".live-responses-table")).to_contain_text("200")


def test_the_reference_is_drawn_without_other_origins(browser: Browser, url: str) -> None:
    page, answered = browser.new_page(), []
    page.on("response", lambda response: answered.append(response.url))
    page.goto(f"{url}/redoc")
    expect(page.get_by_role("heading", name="Patch Semantics")).to_be_visible()
    page.wait_for_load_state("networkidle")
    page.close()
    assert answered
    assert [one for one in answered if not one.startswith((f"{url}/", "blob:", "data:"))] == []
