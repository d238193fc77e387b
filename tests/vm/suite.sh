#!/usr/bin/env bash
# Runs a suite of cargo's tests on a machine with systemd, cgroup v2, Docker 26 and Podman 5.4
# (machine.sh), as it was built here: the same files at the same paths.
#
# usage: suite.sh conformance|engines|hostile STORE [FILTER]
#
# STORE is where Docker keeps its images there: overlay2, or containerd. FILTER is a part of the tests'
# names, such as on_docker or endings_are_told_apart::on_podman-rootless.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
suite=$1 store=$2
shift 2
folder=$(mktemp --directory)
trap 'rm -rf "$folder"' EXIT

cd "$root"
cargo build --quiet --bin segarena --example stand_in
binary=$(cargo test --no-run --test "$suite" --message-format=json 2>/dev/null |
  sed -n 's/.*"executable":"\([^"]*\/deps\/'"$suite"'-[^"]*\)".*/\1/p')

put() { mkdir -p "$folder/tree$(dirname "$1")" && strip -o "$folder/tree$1" "$1"; }
target=${binary%/deps/*}
put "$binary"
put "$target/segarena"
put "$target/examples/stand_in"
mkdir -p "$folder/tree$root/tests"
cp -r "$root/tests/engines" "$root/tests/fixtures" "$folder/tree$root/tests"
{ printf 'binary=%q store=%q arguments=(%s)\n' "$binary" "$store" "${*@Q}"; cat "$here/suite-job.sh"; } >"$folder/job.sh"
"$here/machine.sh" "$folder/job.sh" "$folder"
