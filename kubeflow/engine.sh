#!/bin/sh
# A Docker engine of its own under one folder, without networks of its own: containers use the host's.
#
#     sh kubeflow/engine.sh start FOLDER    prints the DOCKER_HOST
#     sh kubeflow/engine.sh stop FOLDER     by its pid
set -eu
command=${1:?start or stop} folder=${2:?a folder}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
pid=$folder/docker.pid
# A file that a crash left behind may name a process that is another by now.
running() {
    [ -s "$pid" ] && tr '\0' ' ' <"/proc/$(cat "$pid")/cmdline" 2>/dev/null | grep -qF -- "--pidfile=$pid "
}
case $command in
start)
    if ! running; then
        command -v dockerd >/dev/null || { echo "engine: apt-get install docker.io" >&2; exit 1; }
        rm -f "$pid"
        # In a session of its own: what ends a terminal must not end containers half-way.
        setsid dockerd --iptables=false --ip6tables=false --bridge=none --data-root="$folder/data" \
            --exec-root="$folder/exec" --host="unix://$folder/docker.sock" --pidfile="$pid" \
            >"$folder/dockerd.log" 2>&1 </dev/null &
        for _ in $(seq 60); do
            DOCKER_HOST=unix://$folder/docker.sock docker info >/dev/null 2>&1 && break
            sleep 0.5
        done
    fi
    DOCKER_HOST=unix://$folder/docker.sock docker info >/dev/null 2>&1 ||
        { tail -n 5 "$folder/dockerd.log" >&2; exit 1; }
    echo "unix://$folder/docker.sock"
    ;;
stop)
    running || exit 0
    kill "$(cat "$pid")"
    for _ in $(seq 60); do running || exit 0; sleep 0.5; done
    echo "engine: $(cat "$pid") does not end" >&2
    exit 1
    ;;
*) echo "engine: start or stop, got $command" >&2; exit 2 ;;
esac
