#!/usr/bin/env bash
# Tries `segarena slurm` on two machines with kernels of their own (machine.sh): Slurm's controller and
# the file server on one, a node on each, the output folder on NFS 4.2; one host is switched off in the
# middle. See cluster-host.sh for what is tried.
#
# usage: cluster.sh process|podman PROGRAM STAND_IN PARITY_FOLDER
#
# The submission is a plain process with numpy, or a container of rootless Podman with STAND_IN, the
# example of that name, built.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
kind=$1 program=$2 stand_in=$3 parity=$4
folder=$(mktemp --directory)
trap 'rm -rf "$folder"' EXIT

mkdir "$folder/shared"
cp "$program" "$folder/shared/segarena"
cp -r "$parity" "$folder/shared/parity"
cp "$here/golden.py" "$folder/shared"
[ "$kind" != podman ] || "$here/image.sh" "$stand_in" "$folder/shared/team.tar.gz"
head -c 1024 /dev/urandom >"$folder/shared/munge.key"
for host in 1 2; do
  cp -r "$folder/shared" "$folder/h$host"
  { echo "HOST=$host KIND=$kind"; cat "$here/cluster-host.sh"; } >"$folder/job-$host.sh"
done

# Host N, at its end of the wire.
host() {
  local server=off
  [ "$1" = 2 ] || server=on
  PID_FILE="$folder/pid-$1" MEMORY=3G \
    NETWORK="-netdev stream,id=wire,server=$server,addr.type=unix,addr.path=$folder/wire
      -device virtio-net-pci,netdev=wire,mac=52:54:00:00:00:0$1" \
    "$here/machine.sh" "$folder/job-$1.sh" "$folder/h$1"
}

"$here/machine.sh" --root-only
host 1 2>&1 | while IFS= read -r line; do
  printf 'h1 | %s\n' "$line"
  [ "$line" != "== switch h2 off" ] || kill -KILL "$(cat "$folder/pid-2")"
done &
first=$!
until [ -S "$folder/wire" ]; do sleep 0.2; done
host 2 2>&1 | sed -u 's/^/h2 | /' || true &
wait "$first"
