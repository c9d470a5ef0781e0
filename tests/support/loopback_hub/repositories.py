"""Routes about repositories as such."""

from typing import TYPE_CHECKING

import yaml
from support.loopback_hub.access import commit_of
from support.loopback_hub.messages import Answer, RefusalError, Request, json_answer
from support.loopback_hub.routes import route
from support.loopback_hub.store import Repository

if TYPE_CHECKING:
    from support.loopback_hub.server import Hub


@route("GET", "/api/whoami-v2")
def whoami(hub: "Hub", request: Request) -> Answer:
    user = hub.access.user(request)
    if user is None:
        raise RefusalError(401, "Invalid username or password.")
    return json_answer({"type": "user", "name": user.name, "orgs": [{"name": name} for name in user.roles]})


@route("POST", "/api/repos/create")
def create(hub: "Hub", request: Request) -> Answer:
    asked = request.json()
    name = f"{asked['organization'] or 'user'}/{asked['name']}"
    hub.access.must_write(request, name)
    url = f"{hub.url}/{name}"
    if name in hub.repositories:
        return json_answer({"error": "You already created this model repo", "url": url}, 409)
    private = asked.get("visibility") == "private" or bool(asked.get("private"))
    hub.repositories[name] = Repository(name, private)
    return json_answer({"url": url, "name": name})


@route("POST", "/api/validate-yaml")
def validate(hub: "Hub", request: Request) -> Answer:
    _, head, _ = [*request.json()["content"].split("---\n", 2), "", ""][:3]
    try:
        known = yaml.safe_load(head)
    except yaml.YAMLError as error:
        return json_answer({"errors": [{"message": str(error)}], "warnings": []}, 400)
    warnings = [] if known else [{"message": "empty or missing yaml metadata in repo card"}]
    return json_answer({"errors": [], "warnings": warnings})


@route("GET", "/api/models/{repo}")
def newest(hub: "Hub", request: Request, repo: str) -> Answer:
    return information(hub, request, repo, "main")


@route("GET", "/api/models/{repo}/revision/{revision}")
def information(hub: "Hub", request: Request, repo: str, revision: str) -> Answer:
    repository = hub.access.read(request, repo)
    commit = commit_of(repository, revision)
    return json_answer(
        {
            "_id": repo,
            "id": repo,
            "sha": commit.oid,
            "private": repository.private,
            "gated": "auto" if repository.gated else False,
            "tags": [],
            "siblings": [{"rfilename": name} for name in commit.files],
        }
    )


@route("GET", "/api/models/{repo}/refs")
def refs(hub: "Hub", request: Request, repo: str) -> Answer:
    targets = hub.access.read(request, repo).refs
    described = [{"name": name, "ref": f"refs/heads/{name}", "targetCommit": oid} for name, oid in targets.items()]
    return json_answer({"branches": described, "converts": [], "tags": []})
