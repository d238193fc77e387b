#!/usr/bin/env bash
# Installs and starts the engines that tests/engines runs submissions on, on Debian as root:
# Docker, Podman, a user for rootless Podman, the next Debian's Podman in a tree of its own, and
# Apptainer in another.
# What is there already stays as it is.
set -euo pipefail
here=$(cd "$(dirname "$0")/../.." && pwd)

packages=()
command -v docker >/dev/null || packages+=(docker.io)
command -v podman >/dev/null || packages+=(podman)
command -v runc >/dev/null || packages+=(runc)
command -v newuidmap >/dev/null || packages+=(uidmap)
command -v slirp4netns >/dev/null || packages+=(slirp4netns)
# What bindfs shows counts as a file server's, and strace tells what is asked of one.
command -v bindfs >/dev/null || packages+=(bindfs)
command -v strace >/dev/null || packages+=(strace)
command -v mmdebstrap >/dev/null || packages+=(mmdebstrap)
[ -x /sbin/setcap ] || packages+=(libcap2-bin)
if [ ${#packages[@]} -gt 0 ]; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}"
fi

if ! docker info >/dev/null 2>&1; then
  dockerd >/tmp/segarena-test-dockerd.log 2>&1 &
  for _ in $(seq 60); do
    docker info >/dev/null 2>&1 && break
    sleep 1
  done
fi
docker info --format 'Docker {{.ServerVersion}}'

# The base that an image of a new submission is built on.
docker image inspect test-python-base >/dev/null 2>&1 ||
  mmdebstrap --quiet --variant=minbase --include=python3-numpy bookworm - \
    http://deb.debian.org/debian | docker import - test-python-base:latest

id segarena-test >/dev/null 2>&1 || useradd --create-home segarena-test
grep -q '^segarena-test:' /etc/subuid || usermod --add-subuids 200000-265535 --add-subgids 200000-265535 segarena-test
podman --version

# Podman 5: the tree sees the tests' folders at the paths they have outside.
tree=/opt/segarena-test-trixie
if [ ! -x "$tree/usr/bin/podman" ]; then
  mmdebstrap --quiet --variant=minbase --include=podman,runc,netavark,uidmap trixie "$tree" \
    http://deb.debian.org/debian
fi
# A runtime wants the root to be a mount.
mountpoint -q "$tree" || { mount --bind "$tree" "$tree" && mount --make-private "$tree"; }
for folder in /proc /sys /dev /tmp "$here"; do
  mkdir -p "$tree$folder"
  mountpoint -q "$tree$folder" ||
    { mount --rbind "$folder" "$tree$folder" && mount --make-rslave "$tree$folder"; }
done
chroot "$tree" podman --version

# Apptainer, which only sid has. The snapshot may be an old one, so its date is not looked at.
sid=/opt/segarena-test-sid
if [ ! -x "$sid/usr/bin/apptainer" ]; then
  mmdebstrap --quiet --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"' \
    --include=apptainer,squashfuse,squashfs-tools sid "$sid" http://deb.debian.org/debian
fi
mkdir -p "$sid$here"
# Builds copy these.
touch "$sid/etc/hosts" "$sid/etc/resolv.conf"
"$here/tests/engines/enter-sid.sh" apptainer --version
