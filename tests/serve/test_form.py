import pytest

from serve.errors import BadUploadError
from serve.form import MAX_PARTS, FormFiles, Upload

EDGE = "multipart/form-data; boundary=edge"


def part(name: str, data: bytes, filename: str | None = None, extra: str = "") -> bytes:
    options = f'; filename="{filename}"' if filename is not None else ""
    head = f'--edge\r\nContent-Disposition: form-data; name="{name}"{options}\r\n{extra}\r\n'
    return head.encode() + data + b"\r\n"


def read(body: bytes, size: int = 10**6, content_type: str = EDGE, max_files: int = 3) -> FormFiles:
    """A form whose body arrives in chunks of so many bytes."""
    form = FormFiles("file", max_files, "send a form")
    take = form.reader(content_type)
    for start in range(0, len(body), size):
        take(body[start : start + size])
    return form


FILES = part("file", b"one\r\n--edg", "a.jpg") + part("note", b"x") + part("file", b"", "") + b"--edge--\r\n"


@pytest.mark.parametrize("size", [1, 2, 7, 64, 10**6])
def test_files_in_whatever_pieces_they_arrive(size: int) -> None:
    form = read(FILES, size)
    assert form.files == [Upload("a.jpg", b"one\r\n--edg"), Upload("file", b"")]
    assert form.names == ["file", "note", "file"]
    assert not form.text


def test_names_of_files() -> None:
    quoted = part("file", b"2", 'a\\"b.png', "Content-Type: image/png\r\n")
    form = read(part("file", b"1", "größe 1.png") + quoted + b"--edge--")
    assert [file.name for file in form.files] == ["größe 1.png", 'a"b.png']


def test_a_field_that_is_text() -> None:
    form = read(part("file", b"photo.jpg") + b"--edge--")
    assert form.files == []
    assert form.text


def test_a_file_that_is_cut_off_does_not_count() -> None:
    body = part("file", b"whole", "a.jpg") + part("file", b"cut off", "b.jpg")
    assert [file.name for file in read(body).files] == ["a.jpg"]
    assert [file.name for file in read(body[:-20]).files] == ["a.jpg"]


def test_too_many_files() -> None:
    one = part("file", b"x", "a.jpg")
    assert len(read(one * 3 + b"--edge--").files) == 3
    with pytest.raises(BadUploadError, match="it has more files than 3, the limit of this request; send a form"):
        read(one * 4)


def test_too_many_other_parts() -> None:
    read(part("note", b"x") * MAX_PARTS)
    with pytest.raises(BadUploadError, match=f"more than {MAX_PARTS} parts that are not files of the field 'file'"):
        read(part("note", b"x") * (MAX_PARTS + 1))


@pytest.mark.parametrize(
    ("content_type", "body", "reason"),
    [
        ("multipart/form-data", b"", "there is no boundary in its content type"),
        ("multipart/form-data; boundary=" + "x" * 999, b"", "Boundary length 999 exceeds maximum"),
        (EDGE, b"nonsense", "Expected boundary character"),
        (EDGE, b"--edge\r\n" + b"a: b\r\n" * 1000, "header"),
        (EDGE, b"--edge\r\nContent-Disposition: " + b"x" * 100_000, "header"),
    ],
)
def test_what_is_no_form(content_type: str, body: bytes, reason: str) -> None:
    with pytest.raises(BadUploadError, match=rf"(?i)the form cannot be read: .*{reason}.*; send a form"):
        read(body, content_type=content_type)
