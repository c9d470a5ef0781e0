"""Several images at once, and their table."""

import csv
import io
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from support.page import OURS, PLAIN, ask, choose, percent

from serve.http.pages import FOLDER

BIRD = FOLDER / "samples" / "bird.png"


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    file = tmp_path / "notes.png"
    file.write_text("these are words")
    return file


def drop(page: Page, *paths: Path) -> None:
    """Drop files and folders as a file manager does."""
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": 200, "y": 200, "data": data})


def names(page: Page) -> list[str]:
    return page.locator("#table th[scope=row]").all_inner_texts()


def test_each_image_has_a_row_and_a_broken_one_says_why(page: Page, url: str, photo_file: Path, broken: Path) -> None:
    expect(page.locator("#compare")).to_have_value(PLAIN)
    page.locator("#file").set_input_files([photo_file, broken, BIRD])
    expect(page.locator("#status")).to_have_text("2 of 3 images classified.")
    expect(page.locator("#images-title")).to_have_text("3 images, 1 failed")
    assert names(page) == ["cat.jpg", "notes.png", "bird.png"]
    rows = page.locator("#table tbody tr").all_inner_texts()
    assert len(rows) == 5, "a row for each model, and one for the broken image"
    assert "the file is not an image" in rows[2]
    for row, file, model in ((0, photo_file, OURS), (1, photo_file, PLAIN), (3, BIRD, OURS), (4, BIRD, PLAIN)):
        best = ask(url, "classify", file, model)["classes"][0]
        assert all(part in rows[row] for part in (best["label"], percent(best["probability"]), model))
    with page.expect_download() as download:
        page.locator("#csv").click()
    assert download.value.suggested_filename == "answers.csv"
    lines = list(csv.DictReader(io.StringIO(download.value.path().read_text())))
    assert [(line["file"], line["model"]) for line in lines] == [
        ("cat.jpg", OURS), ("cat.jpg", PLAIN), ("notes.png", ""), ("bird.png", OURS), ("bird.png", PLAIN),
    ]  # fmt: skip
    assert (lines[0]["label"], lines[2]["label"]) == ("cat", "")
    assert float(lines[0]["probability"]) == pytest.approx(
        ask(url, "classify", photo_file)["classes"][0]["probability"]
    )
    assert "the file is not an image" in lines[2]["error"]


def test_an_image_of_the_table_is_chosen_with_the_keyboard(page: Page, photo_file: Path, broken: Path) -> None:
    page.locator("#compare").select_option("")
    page.locator("#file").set_input_files([broken, photo_file, BIRD])
    expect(page.locator("#status")).to_have_text("2 of 3 images classified.")
    expect(page.locator(".photo")).to_have_attribute("aria-label", "cat.jpg")
    buttons = page.locator("#table button")
    expect(buttons).to_have_count(2)
    expect(buttons.first).to_have_attribute("aria-current", "true")
    page.locator("#csv").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".photo")).to_have_attribute("aria-label", "bird.png")
    expect(page.locator("#status")).to_contain_text(f"bird.png: {OURS}: ")
    expect(buttons.last).to_have_attribute("aria-current", "true")
    page.locator("#compare").select_option(PLAIN)
    expect(page.locator("figcaption")).to_have_count(2)
    expect(page.locator(".photo").first).to_have_attribute("aria-label", "bird.png")
    choose(page, photo_file)
    expect(page.locator("#images")).to_be_hidden()


def test_only_broken_images(page: Page, photo_file: Path, broken: Path) -> None:
    choose(page, photo_file)
    other = shutil.copy(broken, broken.with_name("more.png"))
    page.locator("#file").set_input_files([broken, other])
    expect(page.locator("#status")).to_have_text("0 of 2 images classified.")
    expect(page.locator("#answer")).to_be_hidden()


def test_files_and_folders_are_dropped(page: Page, photo_file: Path, tmp_path: Path) -> None:
    pets = tmp_path / "pets"
    for place in ("cat.jpg", "more/cat.jpg", ".hidden/cat.jpg"):
        (pets / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(photo_file, pets / place)
    (pets / "notes.txt").write_text("words")
    expect(page.locator("#model")).to_have_value(OURS)
    drop(page, BIRD, pets)
    expect(page.locator("#status")).to_have_text("3 of 3 images classified.")
    assert names(page) == ["bird.png", "pets/cat.jpg", "pets/more/cat.jpg"]


def test_a_phone_needs_no_sideways_scrolling_for_the_table(page: Page, photo_file: Path, tmp_path: Path) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    long = tmp_path / f"{'long_name' * 12}.jpg"
    shutil.copy(photo_file, long)
    page.locator("#file").set_input_files([long, BIRD])
    expect(page.locator("#status")).to_have_text("2 of 2 images classified.")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
