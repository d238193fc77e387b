#!/usr/bin/env bash
# Writes the archive of a submission for the machines of this folder: the stand-in of the parity set and a
# shell, with the libraries that they need. It waits $PAUSE seconds before each answer.
#
# usage: image.sh STAND_IN ARCHIVE
#
# STAND_IN is the example of that name, built.
set -euo pipefail
stand_in=$1 archive=$2
scratch=$(mktemp --directory)
trap 'rm -rf "$scratch"' EXIT

tree=$scratch/image
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
docker save segarena-test-vm:latest | gzip -1 >"$archive"
docker rmi segarena-test-vm:latest >/dev/null
