"""Downloads from a server on this machine, whose address a test lets count as public, and refusals of all others."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address

import pytest

from zoo.classify import fetch as module
from zoo.classify.fetch import fetch, is_public
from zoo.errors import InputError

ADDRESS = "127.0.0.1"

Answers = dict[str, Callable[[BaseHTTPRequestHandler], None]]


def send(status: int, body: bytes = b"", **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in ({"Content_Length": str(len(body))} | headers).items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@pytest.fixture
def answers() -> Answers:
    """What the server does, by path."""
    return {}


@pytest.fixture
def port(answers: Answers) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answers[self.path](self)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer((ADDRESS, 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture
def base(port: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """URL of the server, whose address counts as public; the names of no other host are resolved."""
    resolve = socket.getaddrinfo

    def resolve_test(host: str, *arguments: object, **options: object) -> object:
        return resolve({"public.test": ADDRESS, "private.test": "127.0.0.2"}.get(host, host), *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", resolve_test)
    monkeypatch.setattr(module, "is_public", lambda address: str(address) == ADDRESS)
    return f"http://public.test:{port}"


def test_a_file(base: str, answers: Answers) -> None:
    answers["/a%20b/%C3%B6.png?x=1&y=%20"] = send(200, b"image")
    assert fetch(f"{base}/a b/ö.png?x=1&y=%20#part") == b"image"


def test_a_request_says_what_it_is_for(base: str, answers: Answers, port: int) -> None:
    seen: list[dict[str, str]] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        seen.append({name: handler.headers[name] for name in ("Host", "User-Agent", "Accept")})
        send(200, b"image")(handler)

    answers["/"] = answer
    fetch(base)
    assert seen == [{"Host": f"public.test:{port}", "User-Agent": "template-zoo", "Accept": "image/*"}]


def test_a_redirect(base: str, answers: Answers) -> None:
    answers["/1"] = send(302, Location="/2")
    answers["/2"] = send(308, Location=f"{base}/3")
    answers["/3"] = send(200, b"image")
    assert fetch(f"{base}/1") == b"image"


def test_redirects_that_do_not_end(base: str, answers: Answers) -> None:
    answers["/"] = send(301, Location="/")
    with pytest.raises(InputError, match="more than 5 redirects"):
        fetch(f"{base}/")


@pytest.mark.parametrize(
    ("location", "problem"),
    [
        ("http://private.test:{port}/2", r"private\.test is not on the public internet \(127\.0\.0\.2\)"),
        ("//127.0.0.2:{port}/2", "not on the public internet"),
        ("file:///etc/passwd", "scheme 'file' is not supported"),
    ],
)
def test_a_redirect_leads_nowhere_inside(location: str, problem: str, base: str, port: int, answers: Answers) -> None:
    answers["/1"] = send(302, Location=location.format(port=port))
    answers["/2"] = send(200, b"secret")
    with pytest.raises(InputError, match=problem):
        fetch(f"{base}/1")


def test_the_address_that_was_checked_is_connected_to(
    base: str, port: int, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if the name stands for another address at the next look."""
    answers["/"] = send(200, b"image")
    looks = iter([ADDRESS, "127.0.0.2"])
    resolve = socket.getaddrinfo
    hosts: list[str] = []

    def rebind(host: str, *arguments: object, **options: object) -> object:
        hosts.append(host)
        return resolve(next(looks) if host == "public.test" else host, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", rebind)
    assert fetch(f"{base}/") == b"image"
    assert hosts.count("public.test") == 1


def test_of_several_addresses_the_public_ones_are_tried(
    base: str, port: int, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers["/"] = send(200, b"image")
    stream = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
    found = [(*stream, ("127.0.0.2", port)), (*stream, (ADDRESS, port))]
    resolve = socket.getaddrinfo

    def resolve_both(host: str, *arguments: object, **options: object) -> object:
        return found if host == "public.test" else resolve(host, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", resolve_both)
    assert fetch(f"{base}/") == b"image"


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (send(404, b"no"), "answered 404 Not Found"),
        (send(200, b"12345", Content_Length="9"), "broke off"),
        (send(200, Content_Length=str(2**40)), "exceeds the limit of 67,108,864 bytes"),
        (lambda handler: handler.wfile.write(b"SSH-2.0\r\n"), "no valid answer"),
        (lambda handler: None, "closed connection"),
    ],
)
def test_answers_without_a_file(answer: Callable[[object], None], problem: str, base: str, answers: Answers) -> None:
    answers["/"] = answer
    with pytest.raises(InputError, match=problem):
        fetch(f"{base}/")


def test_a_file_whose_size_is_not_announced(base: str, answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(bytes(1000))

    answers["/"] = answer
    assert fetch(f"{base}/") == bytes(1000)
    monkeypatch.setattr(module, "MAX_BYTES", 999)
    with pytest.raises(InputError, match="exceeds the limit of 999 bytes"):
        fetch(f"{base}/")


@pytest.mark.parametrize("part", ["head", "body"])
def test_a_server_that_never_ends(part: str, base: str, answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte is in time, but the whole file is not."""
    ended = threading.Event()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if part == "body":
            handler.send_response(200)
            handler.end_headers()
        try:
            while not ended.wait(0.02):
                handler.wfile.write(b"x")
        except OSError:
            pass

    answers["/"] = answer
    monkeypatch.setattr(module, "TIMEOUT", 0.3)
    start = time.monotonic()
    with pytest.raises(InputError, match=r"within the limit of 0\.3 s"):
        fetch(f"{base}/")
    ended.set()
    assert time.monotonic() - start < 10


def test_nobody_listens(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind((ADDRESS, 0))
        with pytest.raises(InputError, match=r"cannot read from public\.test: Connection refused"):
            fetch(f"http://public.test:{unused.getsockname()[1]}/")


def test_a_host_that_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **options: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(InputError, match=r"no\.test: Name or service not known"):
        fetch("https://no.test/1.png")


def test_a_certificate_is_checked(base: str, answers: Answers, port: int) -> None:
    answers["/"] = send(200)
    with pytest.raises(InputError, match="cannot read from public"):
        fetch(f"https://public.test:{port}/")


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("ftp://public.test/1.png", "scheme 'ftp' is not supported; use http or https"),
        ("http:///1.png", "no host"),
        ("http://x.org:0/", "no host"),
        ("http://x.org:99999/", "not a URL"),
        ("http://[::1/", "not a URL"),
        ("http://a..b/", "not a URL"),
        ("http://me:secret@x.org/", "user name"),
        ("http://localhost/", "not on the public internet"),
        ("http://[::ffff:127.0.0.1]/", "not on the public internet"),
        ("http://0x7f000001/", "not on the public internet"),
        ("http://2130706433/", "not on the public internet"),
        ("http://127.1/", "not on the public internet"),
    ],
)
def test_urls_that_are_refused(url: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        fetch(url)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",  # metadata of cloud machines
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fc00::1",
        "ff02::1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
    ],
)
def test_other_addresses(address: str) -> None:
    assert not is_public(ip_address(address))
