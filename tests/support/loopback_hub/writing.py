"""Routes by which files are uploaded and committed."""

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

from support.loopback_hub.access import commit_of, no_token
from support.loopback_hub.messages import Answer, RefusalError, Request, json_answer
from support.loopback_hub.routes import route
from support.loopback_hub.store import File

if TYPE_CHECKING:
    from support.loopback_hub.server import Hub

LFS = (".safetensors", ".onnx", ".bin", ".pkl", ".pt", ".png")
"""What the names of files end in that git does not hold itself."""


@route("POST", "/api/models/{repo}/preupload/{revision}")
def preupload(hub: "Hub", request: Request, repo: str, revision: str) -> Answer:
    repository = hub.access.write(request, repo, propose="create_pr" in request.query)
    there = commit_of(repository, revision).files
    return json_answer(
        {
            "files": [
                {
                    "path": path,
                    "uploadMode": "lfs" if path.endswith(LFS) else "regular",
                    "shouldIgnore": False,
                    "oid": there[path].etag if path in there else None,
                }
                for path in (file["path"] for file in request.json()["files"])
            ],
            "commitOid": repository.refs["main"],
        }
    )


@route("POST", r"/{repo}\.git/info/lfs/objects/batch")
def batch(hub: "Hub", request: Request, repo: str) -> Answer:
    hub.access.write(request, repo, propose=True)
    asked = request.json()
    multipart = hub.part_bytes is not None and "multipart" in asked["transfers"]
    return json_answer(
        {
            "transfer": "multipart" if multipart else "basic",
            "objects": [_instructions(hub, repo, one["oid"], one["size"], multipart) for one in asked["objects"]],
        }
    )


def _instructions(hub: "Hub", repo: str, oid: str, size: int, multipart: bool) -> dict[str, Any]:
    known = {"oid": oid, "size": size, "authenticated": True}
    if oid in hub.objects:
        return known
    target: dict[str, Any] = {"href": f"{hub.storage_url}/objects/{oid}"}
    if multipart:
        assert hub.part_bytes
        count = -(-size // hub.part_bytes)
        urls = {str(part): f"{hub.storage_url}/objects/{oid}/{part}" for part in range(1, count + 1)}
        target = {"href": f"{hub.url}/objects/{oid}/complete", "header": {"chunk_size": str(hub.part_bytes), **urls}}
    return known | {"actions": {"upload": target, "verify": {"href": f"{hub.url}/{repo}.git/info/lfs/verify"}}}


@route("PUT", "/objects/{oid}")
def upload(hub: "Hub", request: Request, oid: str) -> Answer:
    no_token(request)
    return _keep(hub, oid, request.body)


@route("PUT", "/objects/{oid}/{part}")
def upload_part(hub: "Hub", request: Request, oid: str, part: str) -> Answer:
    no_token(request)
    hub.parts[oid, int(part)] = request.body
    return Answer(headers={"ETag": f'"{hashlib.md5(request.body).hexdigest()}"'})


@route("POST", "/objects/{oid}/complete")
def complete(hub: "Hub", request: Request, oid: str) -> Answer:
    return _keep(hub, oid, b"".join(hub.parts[oid, one["partNumber"]] for one in request.json()["parts"]))


def _keep(hub: "Hub", oid: str, content: bytes) -> Answer:
    if hashlib.sha256(content).hexdigest() != oid:
        raise RefusalError(400, "The content does not match its SHA-256 digest")
    hub.objects[oid] = content
    return Answer()


@route("POST", r"/{repo}\.git/info/lfs/verify")
def verify(hub: "Hub", request: Request, repo: str) -> Answer:
    asked = request.json()
    if len(hub.objects.get(asked["oid"], b"")) != asked["size"]:
        raise RefusalError(404, "Object not found")
    return Answer()


@route("POST", "/api/models/{repo}/commit/{revision}")
def commit(hub: "Hub", request: Request, repo: str, revision: str) -> Answer:
    proposed = "create_pr" in request.query
    repository = hub.access.write(request, repo, proposed)
    head = commit_of(repository, revision)
    [header, *operations] = [json.loads(line) for line in request.body.splitlines()]
    parent = header["value"].get("parentCommit", head.oid)
    if parent != head.oid and not proposed:
        raise RefusalError(412, "A commit has happened since. Please refresh and try again.")
    files = dict(commit_of(repository, parent).files)
    for operation in operations:
        _apply(hub, files, operation["key"], operation["value"])
    number = 1 + sum(name.startswith("refs/pr/") for name in repository.refs)
    ref = f"refs/pr/{number}" if proposed else revision
    made = repository.commit(ref, header["value"]["summary"], files)
    told = {"success": True, "commitOid": made.oid, "commitUrl": f"{hub.url}/{repo}/commit/{made.oid}"}
    if proposed:
        told["pullRequestUrl"] = f"{hub.url}/{repo}/discussions/{number}"
    return json_answer(told)


def _apply(hub: "Hub", files: dict[str, File], key: str, value: dict[str, Any]) -> None:
    path = value["path"]
    if key == "file":
        files[path] = File(base64.b64decode(value["content"]), lfs=False)
    elif key == "lfsFile":
        if value["oid"] not in hub.objects:
            raise RefusalError(400, f"{path}: there is no such object; upload it first")
        files[path] = File(hub.objects[value["oid"]], lfs=True)
    elif key == "deletedFile" and path in files:
        del files[path]
    else:
        raise RefusalError(400, f"{key} {path}: there is nothing to do it to")
