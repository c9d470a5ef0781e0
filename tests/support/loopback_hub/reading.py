"""Routes by which files are listed and downloaded."""

from typing import TYPE_CHECKING, Any

from support.loopback_hub.access import commit_of, no_token
from support.loopback_hub.messages import Answer, RefusalError, Request, file_answer, json_answer
from support.loopback_hub.routes import route
from support.loopback_hub.store import File

if TYPE_CHECKING:
    from support.loopback_hub.server import Hub


@route("GET", "/api/models/{repo}/tree/{revision}")
def tree(hub: "Hub", request: Request, repo: str, revision: str) -> Answer:
    files = commit_of(hub.access.read(request, repo), revision).files
    if request.query.get("recursive", ["false"])[0].lower() == "true":
        entries = [_entry(name, file) for name, file in files.items()]
    else:
        folders = dict.fromkeys(name.partition("/")[0] for name in files if "/" in name)
        entries = [_entry(name, file) for name, file in files.items() if "/" not in name]
        entries += [{"type": "directory", "path": name, "size": 0, "oid": "0" * 40} for name in folders]
    start = int(request.query.get("cursor", ["0"])[0])
    stop = start + hub.page
    more = "&".join(f"{name}={values[0]}" for name, values in request.query.items() if name != "cursor")
    link = {"Link": f'<{hub.url}{request.path}?{more}&cursor={stop}>; rel="next"'} if stop < len(entries) else {}
    return json_answer(entries[start:stop], headers=link)


@route("POST", "/api/models/{repo}/paths-info/{revision}")
def paths_info(hub: "Hub", request: Request, repo: str, revision: str) -> Answer:
    files = commit_of(hub.access.read(request, repo), revision).files
    return json_answer([_entry(name, files[name]) for name in request.form().get("paths", []) if name in files])


@route("GET HEAD", "/{repo}/resolve/{revision}/{path}")
def resolve(hub: "Hub", request: Request, repo: str, revision: str, path: str) -> Answer:
    commit = commit_of(hub.access.read_files(request, repo), revision)
    file, known = commit.files.get(path), {"X-Repo-Commit": commit.oid}
    if file is None:
        refused = RefusalError(404, "Entry not found", "EntryNotFound").answer
        return Answer(refused.status, refused.body, {**refused.headers, **known})
    known |= {"ETag": f'"{file.etag}"', "Content-Type": "application/octet-stream"}
    if not file.lfs:
        return file_answer(request, file.content, known)
    linked = {"X-Linked-ETag": f'"{file.sha256}"', "X-Linked-Size": str(len(file.content))}
    # What it says of the file is true of what was committed; what its storage gives may have been changed.
    return Answer(302, headers={**known, **linked, "Location": f"{hub.storage_url}/storage/{commit.oid}/{repo}/{path}"})


@route("GET", "/storage/{oid}/{repo}/{path}")
def download(hub: "Hub", request: Request, oid: str, repo: str, path: str) -> Answer:
    no_token(request)
    return file_answer(request, hub.repositories[repo].files(oid)[path].content, {})


def _entry(name: str, file: File) -> dict[str, Any]:
    entry = {"type": "file", "path": name, "size": len(file.content), "oid": file.blob_id}
    if file.lfs:
        entry["lfs"] = {"oid": file.sha256, "size": len(file.content), "pointerSize": len(file.pointer)}
    return entry
