#!/usr/bin/env bash
# Tries a built segarena on a machine with systemd, cgroup v2, Docker 26 and Podman 5.4 (machine.sh),
# on the parity set: see engines.sh for what is tried.
#
# usage: run.sh PROGRAM STAND_IN PARITY_FOLDER [WHAT…]
#
# STAND_IN is the example of that name, built: the parity set's model, which fits into a small image.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
program=$1 stand_in=$2 parity=$3
shift 3
folder=$(mktemp --directory)
trap 'rm -rf "$folder"' EXIT

# An image of the stand-in and a shell, with the libraries that they need.
tree=$folder/image
mkdir -p "$tree/usr/bin" "$tree/workspace" "$tree/tmp"
ln -s usr/bin "$tree/bin"
put() {
  cp --dereference "$1" "$tree/usr/bin/$2"
  for library in $(ldd "$1" | grep -o '/[^ ]*'); do
    mkdir -p "$tree$(dirname "$library")"
    cp --dereference --update "$library" "$tree$library"
  done
}
put /bin/sh sh
put /bin/bash bash
put /bin/sleep sleep
put "$stand_in" stand_in
printf "%s\n" "export INPUTS=/workspace/inputs OUTPUTS=/workspace/outputs" 'sleep "${PAUSE:-0}"' "exec stand_in" \
  >"$tree/workspace/predict.sh"
tar --directory "$tree" --create . |
  docker import --change 'WORKDIR /workspace' - segarena-test-vm:latest >/dev/null
docker save segarena-test-vm:latest | gzip -1 >"$folder/team.tar.gz"
docker rmi segarena-test-vm:latest >/dev/null
rm -rf "$tree"

cp "$program" "$folder/segarena"
cp -r "$parity" "$folder/parity"
cp "$here/golden.py" "$folder"
{ [ $# -eq 0 ] || printf 'ENGINES=%q\n' "$*"; cat "$here/engines.sh"; } >"$folder/job.sh"
"$here/machine.sh" "$folder/job.sh" "$folder"
