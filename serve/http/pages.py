"""HTML pages: the page at `/`, and the API documentation at `/docs` and `/redoc`; nothing loads from other origins."""

import os
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER = Path(__file__).with_name("page")

_PAGE_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)
"""Content Security Policy (W3C, level 3): nothing inline, and nothing from other origins."""

HEADERS: Mapping[str, str] = {
    # Revalidated each time; thanks to the ETag, most responses are a 304.
    "Cache-Control": "no-cache",
    "Content-Security-Policy": _PAGE_POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Headers of the page's files only."""

ASSETS = "/docs-assets"
"""Path of the scripts of `/docs` and `/redoc`."""
_TITLE = "template-zoo: HTTP API"

_DOCS_POLICY = (
    "default-src 'self' 'unsafe-inline' blob: data:; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)
"""Content Security Policy of `/docs` and `/redoc`: FastAPI's inline scripts, but nothing from other origins, such as
ReDoc's logo."""


class _PageFiles(StaticFiles):
    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update(HEADERS)
        return response


def add_page(app: FastAPI) -> None:
    """Serve the page at `/`, and its other files under `/page`."""
    page_files = _PageFiles(directory=FOLDER)
    app.mount("/page", page_files)

    @app.get("/", include_in_schema=False)
    async def page(request: Request) -> Response:
        return await page_files.get_response("index.html", request.scope)


def add_docs(app: FastAPI) -> None:
    """Serve `/docs` and `/redoc` with bundled scripts and relative URLs, for proxies with a path prefix.

    Arguments:
        app: application without FastAPI's own documentation pages, which load scripts from a CDN.
    """
    app.mount(ASSETS, StaticFiles(directory=str(files("fastapi_offline") / "static")))
    assets, description, icon = ASSETS.removeprefix("/"), "openapi.json", "page/icon.svg"
    swagger = get_swagger_ui_html(
        openapi_url=description,
        title=_TITLE,
        swagger_js_url=f"{assets}/swagger-ui-bundle.js",
        swagger_css_url=f"{assets}/swagger-ui.css",
        swagger_favicon_url=icon,
    )
    redoc = get_redoc_html(
        openapi_url=description,
        title=_TITLE,
        redoc_js_url=f"{assets}/redoc.standalone.js",
        redoc_favicon_url=icon,
        with_google_fonts=False,
    )
    for page in (swagger, redoc):
        page.headers["Content-Security-Policy"] = _DOCS_POLICY

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return swagger

    @app.get("/redoc", include_in_schema=False)
    async def redoc_page() -> HTMLResponse:
        return redoc
