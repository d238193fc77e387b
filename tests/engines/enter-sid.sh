#!/bin/sh
# Runs a command as root in the tree of Debian sid that setup.sh makes, in a mount namespace of its
# own. pivot_root and not chroot: after a chroot nobody may make user namespaces, which Apptainer
# lives on. With SEGARENA_TEST_FUSE=1 everybody may open /dev/fuse there, as on most machines.
set -eu
tree=/opt/segarena-test-sid
if [ "${SEGARENA_TEST_ENTERED:-}" != 1 ]; then
  exec env SEGARENA_TEST_ENTERED=1 unshare --mount --propagation private "$0" "$@"
fi
unset SEGARENA_TEST_ENTERED
here=$(cd "$(dirname "$0")/../.." && pwd)
mount --bind "$tree" "$tree"
for place in /proc /sys /dev /tmp /home "$here" /etc/passwd /etc/group /etc/subuid /etc/subgid; do
  mount --rbind "$place" "$tree$place"
done
if [ "${SEGARENA_TEST_FUSE:-}" = 1 ]; then
  mount -t tmpfs tmpfs "$tree/mnt"
  mknod -m 666 "$tree/mnt/fuse" c 10 229
  mount --bind "$tree/mnt/fuse" "$tree/dev/fuse"
  umount -l "$tree/mnt"
fi
cd "$tree"
pivot_root . mnt
umount -l /mnt
cd /
exec "$@"
