#!/usr/bin/env bash
# Tries a built segarena on a machine with systemd, cgroup v2, Docker 26 and Podman 5.4 (machine.sh),
# on the parity set: see engines.sh for what is tried.
#
# usage: run.sh PROGRAM PARITY_FOLDER [ENGINE…]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
program=$1 parity=$2
shift 2
folder=$(mktemp --directory)
trap 'rm -rf "$folder"' EXIT

# The parity set's own submission, in the image that tests/engines/setup.sh makes.
mkdir "$folder/image"
cp "$parity"/model/* "$folder/image"
printf '%s\n' 'FROM test-python-base' 'COPY . /workspace' 'WORKDIR /workspace' >"$folder/image/Dockerfile"
docker build --quiet --tag segarena-test-parity "$folder/image" >/dev/null
docker save segarena-test-parity | gzip -1 >"$folder/team.tar.gz"
docker rmi segarena-test-parity >/dev/null
rm -rf "$folder/image"

cp "$program" "$folder/segarena"
cp -r "$parity" "$folder/parity"
cp "$here/golden.py" "$folder"
{ [ $# -eq 0 ] || printf 'ENGINES=%q\n' "$*"; cat "$here/engines.sh"; } >"$folder/job.sh"
"$here/machine.sh" "$folder/job.sh" "$folder"
