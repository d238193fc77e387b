#!/usr/bin/env bash
# Runs a command as on a bare machine: as an ordinary user, and with the engines, Pythons and
# browsers of this machine hidden from it. As root; what is hidden is hidden in a mount namespace.
#
# usage: tests/tools/bare.sh COMMAND…
set -euo pipefail
user=segarena-test
root=$(cd "$(dirname "$0")/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
cargo=${CARGO_HOME:-$HOME/.cargo}
rustup=${RUSTUP_HOME:-$HOME/.rustup}

if [ "${SEGARENA_BARE:-}" != hidden ]; then
  id "$user" >/dev/null 2>&1 || useradd --create-home "$user"
  mkdir -p "$target"
  # What is built already is the user's for the while, so that it is not built again.
  chown -R "$user" "$target"
  status=0
  SEGARENA_BARE=hidden unshare --mount --propagation private "$0" "$@" || status=$?
  chown -R "$(id -u)" "$target"
  exit "$status"
fi

as_user() { setpriv --reuid="$user" --regid="$user" --clear-groups "$@"; }

# The user may read Rust, cargo's sources and the checkout, but nothing else of root's home or of
# another folder that is closed to it.
kept=$(mktemp -d)
chmod 755 "$kept"
for place in "$cargo" "$rustup" "$root"; do
  mkdir -p "$kept$place"
  mount --bind "$place" "$kept$place"
done
mount -t tmpfs -o mode=755 tmpfs "$HOME"
for place in "$cargo" "$rustup" "$root"; do
  around=
  IFS=/ read -ra names <<<"${place#/}"
  for name in "${names[@]::${#names[@]}-1}"; do
    around=$around/$name
    [ ! -d "$around" ] || as_user test -x "$around" || mount -t tmpfs -o mode=755 tmpfs "$around"
  done
done
for place in "$cargo" "$rustup" "$root"; do
  [ -d "$place" ] && [ -n "$(ls -A "$place")" ] && continue
  mkdir -p "$place"
  mount --bind "$kept$place" "$place"
done

for name in docker podman apptainer singularity python python3 pypy3 chromedriver chromium; do
  for place in /usr/local/bin /usr/bin /bin /usr/local/sbin /usr/sbin; do
    for program in "$place/$name" "$place/$name".[0-9]*; do
      [ -x "$program" ] && mount --bind /dev/null "$(readlink -f "$program")"
    done
  done
done
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /opt

cd "$root"
as_user env --ignore-environment \
  HOME="/home/$user" PATH="$cargo/bin:/usr/local/bin:/usr/bin:/bin" LANG=C.UTF-8 \
  CARGO_HOME="$cargo" RUSTUP_HOME="$rustup" CARGO_TARGET_DIR="$target" CARGO_NET_OFFLINE=true \
  "$@"
