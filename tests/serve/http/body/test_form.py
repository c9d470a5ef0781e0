from collections import Counter
from random import Random

import pytest

from serve.errors import BadUploadError, RequestError, TooManyFilesError, UnknownParameterError
from serve.http.body import FormFiles
from serve.inference.decoding import Upload

EDGE = "multipart/form-data; boundary=edge"
END = b"--edge--\r\n"
SIZES = pytest.mark.parametrize("size", [1, 2, 7, 64, 10**6])


def part(data: bytes, disposition: str = 'form-data; name="file"; filename="a.jpg"', *headers: str) -> bytes:
    lines = ["--edge", f"Content-Disposition: {disposition}", *headers, "", ""]
    return "\r\n".join(lines).encode() + data + b"\r\n"


def file(data: bytes, name: str = "a.jpg") -> bytes:
    return part(data, f'form-data; name="file"; filename="{name}"')


def read(body: bytes, size: int = 10**6, content_type: str = EDGE, max_files: int = 3) -> list[Upload]:
    """The files of a form whose body arrives in chunks of so many bytes."""
    form = FormFiles("file", max_files, "send a form", ("model", "top_k"))
    take = form.reader(content_type)
    for start in range(0, len(body), size):
        take(body[start : start + size])
    return form.files()


def refused(body: bytes, size: int = 10**6, content_type: str = EDGE) -> str:
    with pytest.raises(BadUploadError) as error:
        read(body, size, content_type)
    return str(error.value)


@SIZES
def test_files_in_whatever_pieces_they_arrive(size: int) -> None:
    body = file(b"one\r\n--edg") + file(b"", "") + END
    assert read(body, size) == [Upload("a.jpg", b"one\r\n--edg"), Upload("file", b"")]


@pytest.mark.parametrize("end", ["--edge--", "--edge--\r\n", "--edge-- \t\r\n\r\n"])
@SIZES
def test_ends_of_a_whole_form(end: str, size: int) -> None:
    assert len(read(file(b"1") + end.encode(), size)) == 1


@SIZES
def test_a_form_that_is_cut_off_anywhere(size: int) -> None:
    first, second = file(b"whole"), file(b"cut off", "b.jpg")
    body = first + second + b"--edge--"
    for length in range(1, len(body)):
        message = refused(body[:length], size)
        if length <= len(b"--edge\r"):
            assert "it is truncated: its closing boundary '--edge--' is missing" in message
        elif length <= len(first) + len(b"--edge\r"):
            # Its boundary is complete with the line end behind it.
            assert "it is truncated in part 1" in message
        else:
            assert "it is truncated in part 2" in message
    assert "part 1 ('a.jpg')" in refused(body[: len(first) - 3], size)
    assert "part 2 ('b.jpg')" in refused(body[:-1], size)
    assert "part 2:" in refused(first + b"--edge\r\nContent-Dispo", size)


@SIZES
def test_what_is_behind_the_closing_boundary(size: int) -> None:
    for rest in (file(b"lost"), b"\r\n" + file(b"lost") + END, b"x"):
        assert "data follow its closing boundary" in refused(file(b"1") + END + rest, size)


@pytest.mark.parametrize("body", [b"--edge--", b"\r\n--edge--\r\n"])
@SIZES
def test_a_form_without_parts(body: bytes, size: int) -> None:
    assert refused(body, size) == "the form has no parts; send a form"


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ('filename="größe 1.png"', "größe 1.png"),
        (r'filename="a\"b.png"', 'a"b.png'),
        ("filename*=UTF-8''gr%C3%B6%C3%9Fe%201.png", "größe 1.png"),
        ("filename*=iso-8859-1'de'gr%F6%DFe.png", "größe.png"),
        ("filename=plain.png; filename*=utf-8''%e2%82%ac.png", "€.png"),
        ("FileName*=utf-8''%e2%82%ac.png; filename=plain.png", "€.png"),
        ("filename=\"x; filename*=utf-8''y.png\"", "x; filename*=utf-8''y.png"),
        ("filename=plain.png; filename*=nonsense", "plain.png"),
        ("filename=plain.png; filename*=idna''a.png", "plain.png"),
        ("filename=plain.png; filename*0=a; filename*=utf-8'en'b", "b"),
        ("filename*=utf-8''%ff%zz", "\ufffd%zz"),
        ('filename=""', "file"),
    ],
)
def test_names_of_files(options: str, name: str) -> None:
    assert read(part(b"1", f'form-data; name="file"; {options}') + END) == [Upload(name, b"1")]


def test_an_image_needs_no_filename_and_text_is_refused() -> None:
    unnamed = 'form-data; name="file"'
    assert read(part(b"\xff\xd8\xff...", unnamed) + END) == [Upload("file", b"\xff\xd8\xff...")]
    message = refused(part(b"photo.jpg", unnamed) + END)
    assert "curl -F file=@photo.jpg" in message


def test_too_many_files() -> None:
    assert len(read(file(b"x") * 3 + END)) == 3
    with pytest.raises(TooManyFilesError, match="the limit of 3"):
        read(file(b"x") * 4)


@pytest.mark.parametrize(
    ("field", "hint"),
    [
        ("files", r"did you mean file\?"),
        ("image", "available: file"),
        ("mdoel", r"did you mean the query parameter model\? .*\?model=VALUE"),
        ("top_k", r"it is a query parameter: .*\?top_k=VALUE"),
    ],
)
def test_an_unknown_field(field: str, hint: str) -> None:
    for body in (part(b"2", f"form-data; name={field}"), part(b"2", f"form-data; name={field}; filename=a.jpg")):
        with pytest.raises(UnknownParameterError, match=f"unknown form field '{field}'; {hint}; send a form"):
            read(file(b"1") + body + END)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"--edge\r\nContent-Type: image/png\r\n\r\n1\r\n", "part 1 has no Content-Disposition"),
        (part(b"1", "form-data; filename=a.jpg"), "part 1 has no name"),
        (part(b"1", 'form-data; name=""; filename=a.jpg'), "part 1 has no name"),
        (part(b"1", "attachment; name=file; filename=a.jpg"), "part 1 has no name"),
        (file(b"1") + part(b"1", "form-data"), "part 2 has no name"),
        (part(b"1", "form-data; name=file", "Content-Disposition: x"), "part 1 has 'content-disposition' twice"),
        (
            part(b"1", "form-data; name=file; filename=a.jpg", "Content-Transfer-Encoding: BASE64"),
            r"part 1 \('a.jpg'\) has Content-Transfer-Encoding 'BASE64'",
        ),
        (
            part(b"1", "form-data; name=file", "Content-Type: multipart/mixed; boundary=inner"),
            r"part 1 \('file'\) is a nested form",
        ),
        (
            part(b"123", "form-data; name=file; filename=a.jpg", "Content-Length: 4"),
            r"part 1 \('a.jpg'\) has 3 bytes, but its Content-Length is 4",
        ),
        (b"--edge\r\n" + b"".join(b"a%d: b\r\n" % number for number in range(100)), "part 1: .*header"),
        (b"--edge\r\nContent-Disposition: " + b"x" * 100_000, "part 1: .*header"),
        (b"nonsense", "it does not start with the boundary 'edge'"),
        (b"A preamble.\r\n" + file(b"1"), "it does not start with the boundary 'edge'"),
        (file(b"1").replace(b"edge", b"other"), "it does not start with the boundary 'edge'"),
        (file(b"1").replace(b"\r\n", b"\n"), "its first line ends in a bare LF"),
        (
            b"--edge\r\nContent-Disposition: form-data; name=file\n\n1\n\r\n",
            "'content-disposition' of part 1 ends in a bare LF",
        ),
        (b"", "it is truncated"),
    ],
)
@pytest.mark.parametrize("size", [1, 10**6])
def test_a_broken_form(body: bytes, reason: str, size: int) -> None:
    with pytest.raises(BadUploadError, match=rf"(?i)the form cannot be read: {reason}.*; (send|set)"):
        read(body + END if body else body, size)


def test_headers_that_change_nothing() -> None:
    headers = "Content-Transfer-Encoding: binary", "Content-Length: 3", "Content-Type: image/png", "X-Other: 1"
    assert read(part(b"123", "form-data; name=file; filename=a.jpg", *headers) + END) == [Upload("a.jpg", b"123")]


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data; charset=utf-8; boundary=edge",
        'multipart/form-data; boundary="edge"',
        "Multipart/Form-Data;Boundary=edge ",
    ],
)
def test_ways_to_write_the_boundary(content_type: str) -> None:
    assert len(read(file(b"1") + END, content_type=content_type)) == 1


@pytest.mark.parametrize("boundary", ["*****", "a b", "=_(edge)?", "x" * 200])
def test_boundaries_of_other_characters(boundary: str) -> None:
    body = (file(b"1") + END).replace(b"edge", boundary.encode())
    assert len(read(body, 3, f'multipart/form-data; boundary="{boundary}"')) == 1


@pytest.mark.parametrize(
    ("content_type", "reason"),
    [
        ("multipart/form-data", "its content type has no boundary"),
        ("multipart/form-data; boundary=", "its content type has no boundary"),
        ('multipart/form-data; boundary=""', "its content type has no boundary"),
        ("multipart/form-data; boundary=" + "x" * 999, "Boundary length 999 exceeds maximum"),
    ],
)
def test_content_types_without_a_boundary(content_type: str, reason: str) -> None:
    with pytest.raises(RequestError, match=f"the form cannot be read: {reason}"):
        read(file(b"1") + END, content_type=content_type)


def test_mutated_forms_are_read_or_refused() -> None:
    random = Random(0)
    good = file(b"\xff\xd8\xff") + part(b"2", "form-data; name=file; filename*=utf-8''b.png", "Content-Length: 1") + END
    pieces = [
        b"\r\n",
        b"--edge",
        b"--edge--",
        b"\r\n--edge\r\n",
        b":",
        b";",
        b'"',
        b"*",
        b"'",
        b"%",
        b"\0",
        b"\xff",
        b"=",
    ]
    outcomes = Counter[str]()
    for _ in range(2000):
        body = bytearray(good)
        for _ in range(random.randint(1, 3)):
            start = random.randrange(len(body) + 1)
            end = start + random.choice((0, 0, 1, 2, 30))
            body[start:end] = random.choice((b"", random.choice(pieces), body[random.randrange(len(good)) :][:20]))
        size = random.choice((1, 3, 10**6))
        try:
            read(bytes(body), size)
        except RequestError:
            outcomes["refused"] += 1
        else:
            assert b"--edge--" in body
            outcomes["read"] += 1
    assert min(outcomes["read"], outcomes["refused"]) > 200
