#!/usr/bin/env bash
# What a machine as people have it is asked, with systemd and cgroup v2: the parity set from an archive
# on each engine, equal to the official results; every limit as `doctor` finds it; an engine that is
# restarted, and an image that is removed, in the middle of a run.
#
# A job of machine.sh: run.sh starts it. ENGINES names those to try, all by default.
set -euo pipefail
engines=${ENGINES:-docker docker-containerd podman podman-rootless}
failed=0

step() { printf -- '-- %s\n' "$*"; }
config() {
  cat >"$1.toml" <<TOML
[cases]
images = "/share/parity/imgs"
ground_truth = "/share/parity/gts"
[output]
dir = "$2"
[backend]
kind = "$3"
memory = "1GiB"
gpus = "none"
[[submission]]
name = "team"
archive = "/share/team.tar.gz"
TOML
}
try() {
  step "$1"
  shift
  if "$@"; then echo holds; else
    echo "FAILED: $*"
    failed=1
  fi
}

# As hpc, in a scope whose limits are its own to set, as a session of systemd has it.
as_hpc() {
  systemd-run --quiet --wait --pipe --collect --property=Delegate=yes --uid=hpc \
    --working-directory="$PWD" --setenv=XDG_RUNTIME_DIR=/run/user/"$(id -u hpc)" \
    --setenv=HOME=/home/hpc -- "$@"
}

containerd_store() {
  systemctl stop docker.service docker.socket
  mkdir -p /etc/docker
  echo '{"features": {"containerd-snapshotter": true}}' >/etc/docker/daemon.json
  systemctl start docker.service
  docker info --format '{{.Driver}} {{.DriverStatus}}'
}

parity() {
  local engine=$1 as=$2
  mkdir -p "/share/out/$engine"
  chmod 777 "/share/out/$engine"
  config "/share/$engine" "/share/out/$engine" "${engine%%-*}"
  $as /share/segarena evaluate --config "/share/$engine.toml" --quiet || [ $? = 3 ]
  python3 /share/golden.py /share/parity/golden.json "/share/out/$engine" team
}

# The parity set, with the engine restarted and the image taken away while it runs.
disturbed() {
  local engine=docker-disturbed
  mkdir -p "/share/out/$engine"
  config "/share/$engine" "/share/out/$engine" docker
  /share/segarena evaluate --config "/share/$engine.toml" --quiet &
  local run=$! status=0
  until ls "/share/out/$engine"/team/*.json >/dev/null 2>&1; do sleep 1; done
  step "systemctl restart docker"
  systemctl restart docker
  until [ "$(ls "/share/out/$engine"/team/*.json | wc -l)" -ge 3 ]; do sleep 1; done
  step "docker system prune -af"
  docker system prune -af >/dev/null
  wait "$run" || status=$?
  echo "the run ended with $status"
  if [ "$status" != 0 ] && [ "$status" != 3 ]; then
    step "gone on with"
    /share/segarena evaluate --config "/share/$engine.toml" --quiet || [ $? = 3 ]
  fi
  python3 /share/golden.py /share/parity/golden.json "/share/out/$engine" team
}

loginctl enable-linger hpc
for engine in $engines; do
  case $engine in
  docker) try "the parity set on Docker, overlay2" parity docker "" ;;
  disturbed) try "the parity set on Docker, restarted and pruned meanwhile" disturbed ;;
  docker-containerd)
    try "containerd's image store" containerd_store
    try "the parity set on Docker, containerd's store" parity docker-containerd ""
    ;;
  podman) try "the parity set on Podman as root" parity podman "" ;;
  podman-rootless)
    try "the parity set on rootless Podman" parity podman-rootless as_hpc
    ;;
  doctor)
    try "doctor on Docker" /share/segarena doctor --backend docker
    try "doctor on Podman as root" /share/segarena doctor --backend podman
    try "doctor on rootless Podman" as_hpc /share/segarena doctor --backend podman
    ;;
  esac
done
exit $failed
