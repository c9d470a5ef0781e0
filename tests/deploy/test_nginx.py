"""The server under a path of a real nginx, with the very lines of docs/deploy.md."""

import re
import shutil
import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import httpx2
import pytest
from support.process import free_port, serving

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
DOCUMENT = Path(__file__).parents[2] / "docs" / "deploy.md"
PHOTO = Path(__file__).parents[1] / "data" / "cat.jpg"

pytestmark = [pytest.mark.skipif(NGINX is None, reason="needs nginx"), pytest.mark.process]


@pytest.fixture(scope="module", params=["1.1", "1.0"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of the server behind nginx, which asks it in the documented version of HTTP, or in its default one."""
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    block = re.search(r"^    location /zoo/ \{\n(?:.*\n)*?    \}\n", DOCUMENT.read_text(), re.MULTILINE)
    assert block
    location = textwrap.dedent(block[0])
    if request.param == "1.0":
        location = re.sub(r"proxy_http_version.*\n|.*Connection \"\";\n", "", location)
    with serving() as (_, server):
        location = location.replace("http://127.0.0.1:8000", server)
        folders = "".join(
            f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        http = f"access_log off;\n{folders}server {{ listen 127.0.0.1:{port};\n{location} }}"
        main = f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/errors;"
        (folder / "nginx.conf").write_text(f"{main}\nevents {{}}\nhttp {{ {http} }}\n")
        process = subprocess.Popen([str(NGINX), "-e", f"{folder}/errors", "-c", f"{folder}/nginx.conf"])
        try:
            url = f"http://127.0.0.1:{port}/zoo/"
            with httpx2.Client(transport=httpx2.HTTPTransport(retries=5)) as client:
                client.get(url).raise_for_status()
            yield url
        finally:
            process.terminate()
            process.wait(10)


def test_pages_and_what_they_refer_to(url: str) -> None:
    for page in ("", "docs", "redoc"):
        text = httpx2.get(url + page).raise_for_status().text
        for target in re.findall(r'(?:src|href|spec-url)="([^"#]+)"', text):
            assert urljoin(url + page, target).startswith(url)
            assert httpx2.get(urljoin(url + page, target)).status_code == 200
    [server] = httpx2.get(f"{url}openapi.json").json()["servers"]
    assert httpx2.get(urljoin(f"{url}openapi.json", f"{server['url']}/models")).status_code == 200


def test_forms_and_redirections(url: str) -> None:
    for path in ("classify", "classify/"):
        answer = httpx2.post(url + path, files={"file": PHOTO.read_bytes()}, follow_redirects=True)
        assert answer.json()["results"][0]["classes"][0]["label"] == "cat"
        assert str(answer.url) == f"{url}classify"


@pytest.mark.parametrize(("path", "status"), [("nowhere", 404), ("classify?foo=1", 422), ("models", 405)])
def test_early_answers_arrive(url: str, path: str, status: int) -> None:
    for _ in range(10):
        assert httpx2.post(url + path, files={"file": bytes(3_000_000)}).status_code == status
