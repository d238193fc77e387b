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

"$here/image.sh" "$stand_in" "$folder/team.tar.gz"
cp "$program" "$folder/segarena"
cp -r "$parity" "$folder/parity"
cp "$here/golden.py" "$folder"
{ [ $# -eq 0 ] || printf 'ENGINES=%q\n' "$*"; cat "$here/engines.sh"; } >"$folder/job.sh"
"$here/machine.sh" "$folder/job.sh" "$folder"
