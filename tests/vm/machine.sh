#!/usr/bin/env bash
# Boots a machine of its own by software emulation and runs JOB in it as root: Debian 13 with systemd,
# cgroup v2, Docker 26 and Podman 5.4, an ordinary user `hpc` who may make rootless containers, Slurm
# and NFS. Everything takes ten to twenty times as long as outside.
#
# usage: machine.sh JOB FOLDER
#        machine.sh --root-only    makes no more than the root file system that all of them start from
#
# FOLDER is copied to /share in the machine, JOB's working folder; what JOB leaves in /share/out comes
# back as FOLDER/out. The status is JOB's. What it says appears here as it is said.
#   MEMORY=4G  CPUS=2  SECONDS_ALLOWED=3600  CACHE=/var/cache/segarena-test-vm
#   NETWORK="-netdev … -device …" for more than one machine on a wire (cluster.sh).
#   PID_FILE: where the emulator's process id is kept, for whoever wants to end it.
#
# A line `== suspend N` that JOB says stops the emulator for N seconds, as a machine that is suspended.
#
# On Debian, as root; what is missing (qemu-system-x86, mmdebstrap, e2fsprogs) is installed.
set -euo pipefail
cache=${CACHE:-/var/cache/segarena-test-vm}
scratch=$(mktemp --directory)
trap 'rm -rf "$scratch"' EXIT

packages=()
command -v qemu-system-x86_64 >/dev/null || packages+=(qemu-system-x86 seabios ipxe-qemu)
command -v mmdebstrap >/dev/null || packages+=(mmdebstrap)
command -v mke2fs >/dev/null || packages+=(e2fsprogs)
if [ ${#packages[@]} -gt 0 ]; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi

# The root file system, made once.
make_root() {
  local tree=$scratch/tree
  local include=linux-image-cloud-amd64,systemd-sysv,udev,kmod,dbus,dbus-user-session,iproute2
  include+=,sudo,passt,slirp4netns,uidmap,crun,fuse-overlayfs,docker.io,docker-cli,podman
  include+=,python3-numpy,slurm-wlm,munge,nfs-kernel-server,nfs-common,e2fsprogs,mount
  mmdebstrap --quiet --variant=apt --include="$include" trixie "$scratch/tree.tar" http://deb.debian.org/debian
  mkdir "$tree"
  tar --directory "$tree" --exclude='./dev/*' --extract --file "$scratch/tree.tar"
  rm "$scratch/tree.tar"
  chroot "$tree" useradd --create-home --shell /bin/bash hpc
  mkdir "$tree/share"
  printf '%s\n' '/dev/vda / ext4 defaults 0 1' '/dev/vdb /share ext4 defaults 0 0' >"$tree/etc/fstab"
  # A job starts what it needs of these.
  rm -f "$tree"/etc/systemd/system/multi-user.target.wants/{slurmctld,slurmd,nfs-server}.service
  rm -f "$tree/etc/resolv.conf"
  echo machine >"$tree/etc/hostname"
  cat >"$tree/etc/systemd/system/job.service" <<'UNIT'
[Unit]
After=multi-user.target docker.service
[Service]
Type=oneshot
WorkingDirectory=/share
ExecStart=/bin/bash -c 'echo "== begun"; bash .job </dev/null 2>&1; echo "== ended $?"'
ExecStopPost=/bin/sync
ExecStopPost=/sbin/poweroff
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0
[Install]
WantedBy=multi-user.target
UNIT
  ln -s ../job.service "$tree/etc/systemd/system/multi-user.target.wants/job.service"
  mkdir -p "$cache"
  cp "$tree"/boot/vmlinuz-* "$cache/kernel"
  cp "$tree"/boot/initrd.img-* "$cache/initrd"
  truncate --size 10G "$scratch/root.img"
  mke2fs -q -t ext4 -d "$tree" "$scratch/root.img"
  cp --sparse=always "$scratch/root.img" "$cache/root.img.new"
  mv "$cache/root.img.new" "$cache/root.img"
  rm -rf "$tree" "$scratch/root.img"
}
[ -f "$cache/root.img" ] || make_root
[ "$1" != --root-only ] || exit 0
job=$(realpath "$1")
folder=$(realpath "$2")

cp --archive "$folder" "$scratch/share"
rm -rf "$scratch/share/out"
mkdir "$scratch/share/out"
cp "$job" "$scratch/share/.job"
truncate --size 8G "$scratch/share.img"
mke2fs -q -t ext4 -d "$scratch/share" "$scratch/share.img"
rm -rf "$scratch/share"

# What the machine writes to its disk is forgotten with it.
pid_file=${PID_FILE:-$scratch/pid}
touch "$scratch/said"
# shellcheck disable=SC2086 # several arguments
timeout "${SECONDS_ALLOWED:-3600}" qemu-system-x86_64 -accel tcg,thread=multi,tb-size=1024 -cpu max \
  -pidfile "$pid_file" \
  -smp "${CPUS:-2}" -m "${MEMORY:-4G}" -nographic -no-reboot -nic none ${NETWORK:-} \
  -kernel "$cache/kernel" -initrd "$cache/initrd" \
  -append 'root=/dev/vda rw console=ttyS0 quiet systemd.show_status=0' \
  -drive "file=$cache/root.img,if=virtio,format=raw,snapshot=on" \
  -drive "file=$scratch/share.img,if=virtio,format=raw" </dev/null |
  sed -u -e 's/\r//g' -e 's/^.*== begun/== begun/' | sed -u -n '/^== begun/,/^== ended/p' |
  while IFS= read -r line; do
    printf '%s\n' "$line"
    printf '%s\n' "$line" >>"$scratch/said"
    case $line in
    "== suspend "*)
      kill -STOP "$(cat "$pid_file")"
      sleep "${line#== suspend }"
      kill -CONT "$(cat "$pid_file")"
      ;;
    esac
  done || true

e2fsck -fp "$scratch/share.img" >/dev/null || true # replays the journal
rm -rf "$folder/out"
debugfs -R "rdump /out $folder" "$scratch/share.img" >/dev/null 2>&1
grep -q '^== ended 0' "$scratch/said"
