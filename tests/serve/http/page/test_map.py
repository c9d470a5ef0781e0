"""The map and its controls: each number and colour is the server's."""

import re
from pathlib import Path

import httpx2
import numpy as np
import pytest
from PIL import Image, ImageColor
from playwright.sync_api import Page, Route, expect
from support.page import OURS, PLAIN, OpenPage, ask, bars, cells, choose, percent, shares_of

from zoo.hub import open_model
from zoo.semantic_map import class_colour


def test_the_map_is_the_server_s_answer(page: Page, url: str, photo_file: Path) -> None:
    choose(page, photo_file)
    patches = ask(url, "patch-semantics", photo_file)["patches"]
    classes = open_model(OURS).config.classes
    colours = [[ImageColor.getrgb(class_colour(classes.index(p["label"]))) for p in row] for row in patches]
    strength = np.array([[p["probability"] for p in row] for row in patches])
    drawn = cells(page)
    np.testing.assert_allclose(drawn[..., 3], 255 * strength, atol=1)
    assert np.abs(drawn[..., :3] - colours).max() <= 3  # a canvas keeps colours times opacity


def test_the_map_lies_on_what_the_network_saw(page: Page, url: str, photo_file: Path) -> None:
    choose(page, photo_file)
    left, top, right, bottom = ask(url, "patch-semantics", photo_file)["box"]
    image, seen = (page.locator(name).bounding_box() for name in (".image", ".seen"))
    assert image
    assert seen
    scale = image["width"] / 451
    assert seen["x"] - image["x"] == pytest.approx(scale * left, abs=1)
    assert seen["y"] - image["y"] == pytest.approx(scale * top, abs=1)
    assert (seen["width"], seen["height"]) == pytest.approx((scale * (right - left), scale * (bottom - top)), abs=1)


def test_a_image_that_lies_on_its_side_is_shown_upright(page: Page, photo_file: Path, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = tmp_path / "phone.jpg"
    Image.open(photo_file).transpose(Image.Transpose.ROTATE_90).save(lying, exif=exif)
    choose(page, lying)
    width, height = page.locator(".photo").evaluate("canvas => [canvas.width, canvas.height]")
    assert width / height == pytest.approx(451 / 300, rel=0.01)


def test_one_class_and_none_are_heat_maps(page: Page, url: str, photo_file: Path) -> None:
    choose(page, photo_file)
    result = ask(url, "patch-semantics", photo_file)
    page.get_by_text("Single class").click()
    expect(page.locator("#class")).to_have_value("cat")
    page.locator("#class").select_option("dog")
    dog = shares_of(result, "dog")
    np.testing.assert_allclose(cells(page)[..., 3], 255 * dog / dog.max(), atol=1)
    expect(page.locator("#scale output")).to_have_text(percent(dog.max()))
    page.get_by_text("None", exact=True).click()
    none = np.array([[patch["none"] for patch in row] for row in result["patches"]])
    np.testing.assert_allclose(cells(page)[..., 3], 255 * none / none.max(), atol=1)
    expect(page.locator("#class")).to_be_hidden()


@pytest.mark.parametrize("spread", [1.0, 0.0])
def test_what_the_pooling_leaves_out_is_covered(page: Page, photo_file: Path, spread: float) -> None:
    kept = 0.3 + spread * np.linspace(-0.25, 0.3, 64).reshape(8, 8)

    def pool(route: Route) -> None:
        files = {"file": (photo_file.name, photo_file.read_bytes())}
        answer = httpx2.post(route.request.url, files=files).raise_for_status().json()
        declared = {"kind": "scalar map", "title": "What was kept", "legend": [], "colours": []}
        answer["results"][0]["maps"] = [{"name": "kept_mass", **declared, "values": kept.tolist()}]
        route.fulfill(json=answer)

    page.route("**/patch-semantics*", pool)
    choose(page, photo_file)
    page.get_by_text("What was kept", exact=True).click()
    np.testing.assert_allclose(cells(page)[..., 3], 255 * (1 - kept / kept.max()), atol=1)
    expect(page.locator("#note")).to_contain_text("The darker a cell")
    expect(page.locator("#scale .low")).to_have_text(f"{kept.max():.3g}")
    expect(page.locator("#scale output")).to_have_text("0")


def test_the_legend_has_what_is_in_the_map_and_shows_one_class(page: Page, url: str, photo_file: Path) -> None:
    choose(page, photo_file)
    result = ask(url, "patch-semantics", photo_file)
    present = {patch["label"] for row in result["patches"] for patch in row}
    assert set(page.locator("#legend button").all_inner_texts()) == present
    cat = page.locator("#legend tr", has_text="cat")
    expect(cat.locator("td")).to_have_text(percent(shares_of(result, "cat").mean()))
    cat.locator("button").click()
    expect(page.locator("[name=view][value=class]")).to_be_checked()
    expect(cat.locator("button")).to_have_attribute("aria-pressed", "true")
    cat.locator("button").click()
    expect(page.locator("[name=view][value=best]")).to_be_checked()


def test_opacity(page: Page, photo_file: Path) -> None:
    choose(page, photo_file)
    expect(page.locator(".cells")).to_have_css("opacity", "0.65")
    page.locator("#opacity").fill("20")
    expect(page.locator(".cells")).to_have_css("opacity", "0.2")
    expect(page.locator(".opacity output")).to_have_text("20%")


def test_a_cell_says_what_it_looks_like(page: Page, url: str, photo_file: Path) -> None:
    choose(page, photo_file)
    patch = ask(url, "patch-semantics", photo_file)["patches"][2][5]
    seen = page.locator(".seen")
    box = seen.bounding_box()
    assert box
    seen.hover(position={"x": 5.5 / 8 * box["width"], "y": 2.5 / 8 * box["height"]})
    expect(page.locator(".readout p")).to_have_text("Row 3, column 6")
    expected = [[entry["label"], percent(entry["probability"])] for entry in patch["top"][:3]]
    assert bars(page, ".readout") == [*expected, ["none", percent(patch["none"])]]
    page.mouse.move(0, 0)
    expect(page.locator(".cell")).to_be_hidden()


def test_a_cell_says_its_nearest_entity(page: Page, url: str, photo_file: Path) -> None:
    choose(page, photo_file, compare=PLAIN)
    patch = ask(url, "patch-semantics", photo_file)["patches"][2][5]
    ours, plain = page.locator(".seen").all()
    box = ours.bounding_box()
    assert box
    ours.hover(position={"x": 5.5 / 8 * box["width"], "y": 2.5 / 8 * box["height"]})
    said = f"nearest entity: {patch['entity']['name']}"
    expect(page.locator(".entity").first).to_have_text(said)
    expect(ours).to_have_attribute("aria-valuetext", re.compile(f", {re.escape(said)}$"))
    expect(page.locator(".entity").last).to_be_hidden()
    expect(plain).not_to_have_attribute("aria-valuetext", re.compile("entity"))


def test_a_cell_is_tapped(open_page: OpenPage, photo_file: Path) -> None:
    page = open_page(viewport={"width": 360, "height": 740}, has_touch=True)
    choose(page, photo_file)
    page.locator(".seen").tap(position={"x": 3, "y": 3})
    expect(page.locator(".readout p")).to_have_text("Row 1, column 1")


def test_the_keyboard_alone_is_enough(page: Page, photo_file: Path) -> None:
    page.locator("#file").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_contain_text(f"{OURS}: cat, ")
    seen = page.locator(".seen").first
    while not seen.evaluate("element => element === document.activeElement"):
        page.keyboard.press("Tab")
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "ArrowUp"):
        page.keyboard.press(key)
    expect(page.locator(".readout p").first).to_have_text("Row 1, column 2")
    expect(seen).to_have_attribute("aria-valuetext", re.compile("^Row 1, column 2: .* none "))
    page.keyboard.press("Escape")
    expect(page.locator(".cell").first).to_be_hidden()


def test_a_plain_variant_is_compared(page: Page, url: str, photo_file: Path) -> None:
    expect(page.locator("#compare")).to_have_value(PLAIN)
    choose(page, photo_file, compare=PLAIN)
    expect(page.locator("figcaption")).to_have_text([f"{OURS} semantic block", f"{PLAIN} class activation map"])
    patches = ask(url, "patch-semantics", photo_file, PLAIN)["patches"]
    strength = [[patch["probability"] for patch in row] for row in patches]
    np.testing.assert_allclose(cells(page, 1)[..., 3], 255 * np.array(strength), atol=1)
    classes = [entry for model in (OURS, PLAIN) for entry in ask(url, "classify", photo_file, model)["classes"][:5]]
    assert bars(page, "#whole") == [[entry["label"], percent(entry["probability"])] for entry in classes]
    page.locator(".seen").nth(1).hover()
    expect(page.locator(".cell").first).to_be_visible()
    page.locator("#model").select_option(PLAIN)
    expect(page.locator("figcaption")).to_have_text([f"{PLAIN} class activation map"])
    expect(page.locator("[name=view][value=none]")).to_be_disabled()


def test_the_map_is_saved(page: Page, photo_file: Path, tmp_path: Path) -> None:
    choose(page, photo_file)
    page.locator("#opacity").fill("100")
    with page.expect_download() as download:
        page.get_by_text("Save map").click()
    assert download.value.suggested_filename == f"cat.{OURS}.png"
    with Image.open(download.value.path()) as saved, Image.open(photo_file) as image:
        assert saved.size == image.size
        top, below = np.asarray(saved.convert("RGB")), np.asarray(image.convert("RGB")).astype(float)
    colour, share = cells(page)[4, 4, :3], cells(page)[4, 4, 3] / 255
    x, y = 75 + round(4.5 / 8 * 300), round(4.5 / 8 * 300)
    np.testing.assert_allclose(top[y, x], (1 - share) * below[y, x] + share * colour, atol=4)
    np.testing.assert_allclose(top[150, 20], 0.4 * below[150, 20] + 0.6 * 255, atol=4)
