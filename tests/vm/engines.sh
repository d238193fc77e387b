#!/usr/bin/env bash
# What a machine as people have it is asked, with systemd and cgroup v2: the parity set from an archive
# on each engine, equal to the official results; every limit as `doctor` finds it; and what machines do
# in the middle of a run (an engine that is restarted, an image that is removed, a full disk, a clock
# that is set back, a machine that is suspended, a user who logs out).
#
# A job of machine.sh: run.sh starts it. ENGINES names what to try, the engines by default.
set -euo pipefail
engines=${ENGINES:-docker docker-containerd podman podman-rootless}
failed=0

step() { printf -- '-- %s\n' "$*"; }
# NAME.toml for an output folder and a kind of backend, on the parity set or on these images.
config() {
  cat >"$1.toml" <<TOML
[cases]
images = "${4:-/share/parity/imgs}"
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
  # Not as a condition, in which a command that fails would not end what it is part of.
  set +e
  (
    set -e
    "$@"
  )
  local status=$?
  set -e
  if [ $status = 0 ]; then echo holds; else
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

# What follows disturbs a run of one case in the middle: it goes on by itself, or ends with a sentence
# and goes on when the same command is given again; the results are the official ones in the end.
one=micro_tiny_objects
mkdir -p /share/one
cp "/share/parity/imgs/$one.npz" /share/one

official() { python3 /share/golden.py /share/parity/golden.json "/share/out/$1" team "$one.npz"; }

# Starts the evaluation NAME on Docker and waits until its second interaction runs.
begin() {
  name=$1
  mkdir -p "/share/out/$name"
  chmod 777 "/share/out/$name"
  disturbed_config docker
  /share/segarena evaluate --config "/share/$name.toml" --quiet >"/share/out/$name.said" 2>&1 &
  run=$!
  until_interaction 2
  until [ -n "$(docker ps --quiet)" ] || ! [ -d "/proc/$run" ]; do sleep 1; done
}

# Each interaction takes its time, so that it is in the middle that something happens.
disturbed_config() {
  config "/share/$name" "/share/out/$name" "$1" /share/one
  echo 'env = { PAUSE = "6" }' >>"/share/$name.toml"
}

until_interaction() {
  until [ -e "/share/out/$name/team/logs/$one.$1.log" ] || ! [ -d "/proc/$run" ]; do sleep 0.5; done
}

# Waits for its end.
end() {
  status=0
  wait "$run" || status=$?
  echo "the run ended with $status and said:"
  sed 's/^/  | /' "/share/out/$name.said"
}

# Gives the command again if the run did not come to its end, and looks at the results.
go_on() {
  if [ "$status" != 0 ]; then
    step "gone on with"
    status=0
    /share/segarena evaluate --config "/share/$name.toml" --quiet || status=$?
    echo "that ended with $status"
  fi
  [ "$status" = 0 ]
  official "$name"
}

nothing_left() {
  local left
  left=$("$1" ps --all --quiet; "$1" images --quiet)
  [ -z "$left" ] || { echo "left with $1: $left"; return 1; }
}

restarted() {
  begin docker-restarted
  step "systemctl restart docker"
  systemctl restart docker
  end
  go_on
  nothing_left docker
}

pruned() {
  begin docker-pruned
  step "docker system prune --all --force"
  docker system prune --all --force >/dev/null
  end
  go_on
  nothing_left docker
}

# The engine's images and containers on a small disk of their own, which somebody else fills.
full() {
  systemctl stop docker.service docker.socket
  truncate --size 1200M /docker.img
  mkfs.ext4 -q /docker.img
  mkdir -p /var/lib/docker
  mount -o loop /docker.img /var/lib/docker
  systemctl start docker.service
  begin docker-full
  step "the disk is full"
  dd if=/dev/zero of=/var/lib/docker/others bs=1M 2>/dev/null || true
  sync
  df /var/lib/docker | tail -n 1
  end
  # A container that finds room enough goes on.
  [ "$status" = 0 ] || [ "$status" = 1 ]
  rm /var/lib/docker/others
  go_on
  # On a full disk Docker takes an image's name away and then can't remove it: the image stays without
  # a name, as rubbish that `docker image prune` removes.
  [ -z "$(docker ps --all --quiet)" ]
  systemctl stop docker.service docker.socket
  umount /var/lib/docker
  systemctl start docker.service
}

# The clock goes back an hour; the run is killed later on and gone on with.
set_back() {
  begin docker-set-back
  step "an hour back"
  date --set '1 hour ago'
  until_interaction 5
  kill -KILL "$run"
  end
  go_on
  nothing_left docker
}

# The machine is stopped for longer than an interaction may take.
suspended() {
  begin docker-suspended
  step "suspended"
  echo "== suspend 120"
  sleep 1
  end
  grep -l '"timed_out"' "/share/out/$name"/team/*.json && return 1
  go_on
  nothing_left docker
}

# A user without lingering logs out while a run goes on, started as one starts it by hand.
logged_out() {
  local name=podman-logged-out
  mkdir -p "/share/out/$name"
  chmod 777 "/share/out/$name"
  disturbed_config podman
  loginctl disable-linger hpc
  sleep 2
  step "logged in, and out"
  su - hpc -c "loginctl --no-legend list-sessions; cd /share
    (status=0; /share/segarena evaluate --config /share/$name.toml --quiet >/share/out/$name/said 2>&1 ||
      status=\$?; echo \$status >/share/out/$name/status) </dev/null >/dev/null 2>&1 &
    until [ -e /share/out/$name/team/logs/$one.2.log ]; do sleep 0.5; done"
  [ -z "$1" ] || { step "$*"; sleep 5; "$@" || true; }
  while pgrep -u hpc -f 'segarena evaluate' >/dev/null; do sleep 1; done
  echo "the run ended with $(cat "/share/out/$name/status" 2>/dev/null || echo nothing) and said:"
  sed 's/^/  | /' "/share/out/$name/said"
  loginctl enable-linger hpc
  sleep 2
  step "gone on with"
  as_hpc /share/segarena evaluate --config "/share/$name.toml" --quiet
  official "$name"
  [ -z "$(as_hpc podman ps --all --quiet)" ]
}

loginctl enable-linger hpc
for engine in $engines; do
  case $engine in
  docker) try "the parity set on Docker, overlay2" parity docker "" ;;
  restarted) try "Docker restarted meanwhile" restarted ;;
  pruned) try "all unused images removed meanwhile" pruned ;;
  full) try "the disk of Docker's images full meanwhile" full ;;
  set-back) try "the clock set back meanwhile" set_back ;;
  suspended) try "the machine suspended meanwhile" suspended ;;
  logged-out)
    try "the user logged out meanwhile" logged_out ""
    try "the user's sessions ended meanwhile" logged_out loginctl terminate-user hpc
    ;;
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
