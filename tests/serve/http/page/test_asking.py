"""From an image to an answer, and what is said where there is none."""

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect
from support.page import NOTHING, OURS, OpenPage, ask, bars, choose, percent

from serve.http.pages import FOLDER


def test_a_chosen_file_is_answered(page: Page, url: str, photo_file: Path) -> None:
    choose(page, photo_file)
    classes = ask(url, "classify", photo_file)["classes"][:5]
    assert bars(page, "#whole") == [[entry["label"], percent(entry["probability"])] for entry in classes]
    expect(page.locator("#status")).to_have_text(f"{OURS}: cat, {percent(classes[0]['probability'])}")
    expect(page.locator("#whole h2")).to_have_text(f"cat {percent(classes[0]['probability'])}")
    expect(page.locator("figcaption")).to_have_text(f"{OURS} semantic block")


@pytest.mark.parametrize("name", ["cat.jpg", "bird.png", "horse-truck.png"])
def test_a_sample_is_answered(page: Page, url: str, name: str) -> None:
    page.locator(f"[data-sample='{name}']").click()
    best = ask(url, "classify", FOLDER / "samples" / name)["classes"][0]["label"]
    expect(page.locator("#status")).to_contain_text(f"{OURS}: {best}, ")
    expect(page.locator(".photo").first).to_have_attribute("aria-label", name)


@pytest.mark.parametrize(
    "event",
    [
        "new ClipboardEvent('paste', {bubbles: true, clipboardData: data})",
        "new DragEvent('drop', {bubbles: true, cancelable: true, dataTransfer: data})",
    ],
)
def test_a_image_that_is_pasted_or_dropped_is_answered(page: Page, photo: bytes, event: str) -> None:
    page.evaluate(
        f"""bytes => {{
            const data = new DataTransfer();
            data.items.add(new File([Uint8Array.from(atob(bytes), c => c.charCodeAt(0))], "given.jpg"));
            document.body.dispatchEvent({event});
        }}""",
        base64.b64encode(photo).decode(),
    )
    expect(page.locator("#status")).to_contain_text(f"{OURS}: cat, ")
    expect(page.locator(".photo").first).to_have_attribute("aria-label", "given.jpg")


def test_the_answer_is_saved(page: Page, url: str, photo_file: Path) -> None:
    choose(page, photo_file)
    with page.expect_download() as download:
        page.get_by_text("Save JSON").click()
    saved = json.loads(download.value.path().read_text())
    assert saved["patch-semantics"]["results"] == [ask(url, "patch-semantics", photo_file)]
    assert saved["classify"]["results"][0]["classes"] == ask(url, "classify", photo_file)["classes"][:5]


def test_the_requests_can_be_copied(open_page: OpenPage, url: str, photo: bytes, tmp_path: Path) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    odd = tmp_path / "a 'cat', once.jpg"
    odd.write_bytes(photo)
    choose(page, odd)
    page.get_by_text("curl commands").click()
    page.locator("#copy").click()
    expect(page.locator("#status")).to_have_text("Copied.")
    commands = page.evaluate("navigator.clipboard.readText()").splitlines()
    assert commands[0] == f"""curl -F 'file=@"a '\\''cat'\\'', once.jpg"' '{url}/classify?model={OURS}'"""
    assert commands[1].endswith(f"'{url}/patch-semantics?model={OURS}&top_k=10'")


def test_samples_are_offered_to_models_that_know_them(open_page: OpenPage) -> None:
    def with_classes(*classes: str) -> Callable[[Page], object]:
        def answer(route: Route) -> None:
            models = route.fetch().json()
            route.fulfill(json=[{**models[0], "classes": classes, "colours": ["#000000"] * len(classes)}])

        return lambda page: page.route("**/models", answer)

    page = open_page(before=with_classes("Bird", "horse", "rose"))
    expect(page.locator("#known")).to_have_text("The model knows 3 classes: Bird, horse, rose.")
    expect(page.locator("[data-sample='bird.png']")).to_be_visible()
    expect(page.locator("[data-sample='cat.jpg']")).to_be_hidden()
    expect(page.locator("[data-sample='horse-truck.png']")).to_be_hidden()
    page = open_page(before=with_classes(*(f"flower {index}" for index in range(102))))
    expect(page.locator("#known")).to_contain_text("102 classes: flower 0, flower 1, ")
    expect(page.locator("#known")).to_contain_text(" and 94 more.")
    expect(page.locator("#samples")).to_be_hidden()


def test_an_image_that_only_the_server_decodes_is_answered(open_page: OpenPage, photo_file: Path) -> None:
    fail = "window.createImageBitmap = () => Promise.reject(new Error('unknown format'))"
    page = open_page(before=lambda page: page.add_init_script(fail))
    choose(page, photo_file)
    expect(page.locator("#whole h2")).to_contain_text("cat")
    expect(page.locator("#blank")).to_be_visible()
    width, height = page.locator(".photo").evaluate("canvas => [canvas.width, canvas.height]")
    assert width / height == pytest.approx(451 / 300, rel=0.01)


def test_what_the_server_refuses_is_said(page: Page, tmp_path: Path) -> None:
    text = tmp_path / "notes.png"
    text.write_text("these are words")
    page.locator("#file").set_input_files(text)
    expect(page.get_by_role("alert")).to_contain_text("notes.png: the file is not an image")
    page.locator("[data-sample='cat.jpg']").click()
    expect(page.locator("#status")).to_contain_text("cat")
    expect(page.locator("#error")).to_be_hidden()


def test_a_server_that_is_gone_is_said(page: Page, photo_file: Path) -> None:
    expect(page.locator("#model")).to_have_value(OURS)
    page.route("**/classify*", lambda route: route.abort())
    page.locator("#file").set_input_files(photo_file)
    expect(page.get_by_role("alert")).to_contain_text("Cannot reach the server")


def refuse(status: int, message: str, times: int, **headers: str) -> Callable[[Route], None]:
    """Answer a number of requests with an error and let the others pass."""
    left = iter(range(times))

    def answer(route: Route) -> None:
        if next(left, None) is None:
            route.fallback()
        else:
            route.fulfill(status=status, headers=headers, json={"error": {"code": "made_up", "message": message}})

    return answer


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again(page: Page, photo_file: Path, status: int) -> None:
    page.route("**/classify*", refuse(status, "busy", 2, **{"Retry-After": "0.2"}))
    choose(page, photo_file)


def test_a_server_that_stays_busy_is_left_alone(page: Page, photo_file: Path) -> None:
    expect(page.locator("#model")).to_have_value(OURS)
    page.locator("#compare").select_option(NOTHING)
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "classify" in request.url else None)
    page.route("**/classify*", refuse(429, "server busy", 99, **{"Retry-After": "0.1"}))
    page.locator("#file").set_input_files(photo_file)
    expect(page.get_by_role("alert")).to_have_text("server busy")
    assert len(asked) == 4


def test_a_key_is_asked_for_and_sent(open_page: OpenPage, photo_file: Path) -> None:
    sent = []

    def guard(route: Route) -> None:
        sent.append(route.request.headers.get("authorization"))
        if sent[-1] == "Bearer right":
            route.fallback()
        else:
            route.fulfill(status=401, json={"error": {"code": "unauthorized", "message": "no such key"}})

    page = open_page(before=lambda page: page.route("**/models", guard))
    expect(page.locator("#key")).to_be_focused()
    expect(page.get_by_role("alert")).to_be_hidden()
    expect(page.locator("#source")).to_be_hidden()
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("no such key")
    page.keyboard.type("right")  # in place of the wrong one, which is selected
    page.keyboard.press("Enter")
    choose(page, photo_file)
    assert sent == [None, "Bearer wrong", "Bearer right"]
    expect(page.get_by_role("alert")).to_be_hidden()
    expect(page.locator("#key-form")).to_be_hidden()
    page.get_by_text("curl commands").click()
    expect(page.locator("#commands")).to_contain_text('-H "Authorization: Bearer $API_KEY"')
    expect(page.locator("#commands")).not_to_contain_text("right")
