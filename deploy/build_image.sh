#!/usr/bin/env bash
# Build the image of the Dockerfile, run it, ask it for a class and a map, and stop it.
#
#     deploy/build_image.sh                            # with Docker; where no engine runs, as root with buildah
#     deploy/build_image.sh --base-from-debootstrap    # as root with buildah and debootstrap, without an image registry
#
# The second takes Debian's own Python for python:3.13-slim, and lends the build this machine's certificates and pip.conf.
set -euo pipefail
cd "$(dirname "$0")/.."

image=template-zoo base=docker.io/library/python:3.13-slim suite=trixie user=10001
port=$(python3 -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])')
work=$(mktemp --directory) container='' server='' mounts=()
trap 'remove &> /dev/null || true; rm -rf "$work"' EXIT

if [ $# = 0 ] && docker info &> /dev/null; then
    build() { docker build --tag $image .; }
    start() { container=$(docker run --detach --read-only --tmpfs /tmp --publish "127.0.0.1:$port:8000" $image); }
    inside() { docker exec "$container" "$@"; }
    health() { docker inspect --format '{{range .Config.Healthcheck.Test}}{{println .}}{{end}}' $image; }
    stop() { docker stop -t 60 "$container" && return "$(docker wait "$container")"; }
    remove() { docker rm --force "$container"; }
else
    of_image() { buildah inspect --type image --format "{{range .Docker.Config.$1}}{{println .}}{{end}}" $image; }
    build() { buildah build --isolation chroot --network host --pull=false --format docker "${mounts[@]}" --tag $image .; }
    start() {
        container=$(buildah from --pull=never $image)
        # Chroot isolation has the network of this machine.
        run=(buildah run --isolation chroot --env "ZOO_PORT=$port" "$container" --)
        mapfile -t entrypoint < <(of_image Entrypoint)
        "${run[@]}" sh -c 'echo $$ > /tmp/server.pid && exec "$@"' sh "${entrypoint[@]}" &
        server=$!
    }
    inside() { "${run[@]}" "$@"; }
    health() { of_image Healthcheck.Test; }
    # A signal to buildah would kill the server outright.
    stop() { inside sh -c 'kill "$(cat /tmp/server.pid)"' && wait $server; }
    remove() { stop; buildah rm "$container"; }
fi

ask() { # PATH EXPRESSION: the answer's result must make the expression true
    curl --silent --show-error --fail --form file=@tests/data/cat.jpg "http://127.0.0.1:$port$1" --output "$work/answer"
    echo "POST $1: $(head --bytes 300 "$work/answer")"
    python3 -c "import json, sys; [result] = json.load(sys.stdin)['results']; assert $2" < "$work/answer"
}

if [ "${1:-}" = --base-from-debootstrap ]; then
    debootstrap --variant=minbase --include=ca-certificates,python3-pip,python3-venv $suite "$work/base"
    ln --symbolic python3 "$work/base/usr/bin/python"
    scratch=$(buildah from scratch)
    buildah add --quiet "$scratch" "$work/base" / && buildah commit --quiet --rm "$scratch" $base
    for path in /etc/ssl/certs /etc/pip.conf; do
        [ ! -e $path ] || mounts+=(--volume "$path:$path:ro")
    done
fi
build
start
curl --silent --fail --retry 60 --retry-delay 1 --retry-all-errors --output /dev/null "http://127.0.0.1:$port/readyz"
ask /classify 'result["classes"][0]["label"] == "cat"'
ask /patch-semantics '[len(row) for row in result["patches"]] == [8] * 8'
[ "$(inside id --user)" = $user ]
mapfile -t command < <(health)
inside "${command[@]:1}"
stop
echo "$image: built, healthy, answered as user $user and stopped"
