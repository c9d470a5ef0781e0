"""The pages `/docs` and `/redoc`, whose scripts come with the server: they need no network but its own."""

from importlib.resources import files

from fastapi import FastAPI
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

ASSETS = "/docs-assets"
"""Where the scripts are."""
TITLE = "template-zoo: HTTP interface"

POLICY = (
    "default-src 'self' 'unsafe-inline' blob: data:; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)
"""Content Security Policy of both pages: a script within their text, as FastAPI writes them, but nothing of another
origin, such as the logo that ReDoc would fetch."""


def add_docs(app: FastAPI) -> None:
    """Serve both pages, with relative URLs: a proxy may serve them under a path.

    Arguments:
        app: made without FastAPI's own, which load their scripts from elsewhere.
    """
    app.mount(ASSETS, StaticFiles(directory=str(files("fastapi_offline") / "static")))
    assets, description, icon = ASSETS.removeprefix("/"), "openapi.json", "page/icon.svg"
    swagger = get_swagger_ui_html(
        openapi_url=description,
        title=TITLE,
        swagger_js_url=f"{assets}/swagger-ui-bundle.js",
        swagger_css_url=f"{assets}/swagger-ui.css",
        swagger_favicon_url=icon,
    )
    redoc = get_redoc_html(
        openapi_url=description,
        title=TITLE,
        redoc_js_url=f"{assets}/redoc.standalone.js",
        redoc_favicon_url=icon,
        with_google_fonts=False,
    )
    for page in (swagger, redoc):
        page.headers["Content-Security-Policy"] = POLICY

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return swagger

    @app.get("/redoc", include_in_schema=False)
    async def redoc_page() -> HTMLResponse:
        return redoc
