#!/bin/sh
# Runs a command as the user of rootless Podman: in the session that systemd keeps for that user where
# it does, else without any, as on the nodes of a cluster.
set -eu
user=segarena-test
runtime=/run/user/$(id -u "$user")
if [ -S "$runtime/bus" ]; then
  session=XDG_RUNTIME_DIR=$runtime
else
  session=--unset=XDG_RUNTIME_DIR
fi
exec setpriv --reuid="$user" --regid="$user" --init-groups \
  env "$session" "HOME=/home/$user" "$@"
