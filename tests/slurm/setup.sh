#!/usr/bin/env bash
# A Slurm cluster of two nodes, n1 and n2, on this machine, for the tests: Debian's slurm-wlm and
# munge, as root, with ports, keys and files of its own, so that a cluster that is here already is
# not touched. Running it again starts only what does not run; `setup.sh stop` ends it all.
#
#   tests/slurm/setup.sh
#   export SLURM_CONF=/var/lib/segarena-test-slurm/slurm.conf
#   sinfo
#
# Each node says that it has four processors and two GPUs (devices that stand for them), so that
# jobs are placed as on a real one. Both nodes see one file system, as two processes of one host do.
# What two hosts see of a file server needs an NFS client in the kernel, whichever server there is
# (nfsd, nfs-ganesha): where /proc/filesystems has no `nfs`, as on the machine this was written on,
# it can't be tried without a machine with another kernel (tests/vm).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=${SEGARENA_TEST_SLURM:-/var/lib/segarena-test-slurm}
export SLURM_CONF=$folder/slurm.conf

# The process of a daemon, by the file it notes its id in; ids are used again, so by name too.
running() {
  local pid
  pid=$(cat "$folder/$2.pid" 2>/dev/null) && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$1" ] &&
    echo "$pid"
}

stop() {
  local daemon pid
  [ ! -f "$SLURM_CONF" ] || scancel --state=PENDING,RUNNING,SUSPENDED 2>/dev/null || true
  for daemon in slurmd:n1 slurmd:n2 slurmctld:slurmctld munged:munged; do
    pid=$(running "${daemon%:*}" "${daemon#*:}") || continue
    kill "$pid"
    for _ in $(seq 100); do [ -d "/proc/$pid" ] || break; sleep 0.1; done
    [ ! -d "/proc/$pid" ] || kill -KILL "$pid"
  done
  echo "stopped"
}

start() {
  running "$1" "$2" >/dev/null || "${@:3}"
}

if [ "${1:-}" = stop ]; then
  stop
  exit
fi
[ "$(id -u)" = 0 ] || { echo "setup.sh: root is needed, to start jobs as their users" >&2; exit 1; }

if ! command -v slurmctld >/dev/null || ! command -v slurmd >/dev/null ||
  ! command -v munged >/dev/null; then
  # Debian's services would start a cluster from /etc/slurm, which is not there.
  [ -e /usr/sbin/policy-rc.d ] || {
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod +x /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  }
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm munge
fi

mkdir -p "$folder"/{state,spool-n1,spool-n2}
chmod 755 "$folder"
for gpu in gpu0 gpu1; do
  [ -c "$folder/$gpu" ] || { rm -f "$folder/$gpu"; mknod "$folder/$gpu" c 1 3; }
done
[ -f "$folder/munge.key" ] || (umask 077 && head -c 1024 /dev/urandom >"$folder/munge.key")

# cred_expire: a requeued job waits for the old one's credential to expire, two minutes by default.
cat >"$folder/slurm.conf.new" <<CONF
ClusterName=segarena-test
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=${SEGARENA_TEST_SLURM_PORT:-26817}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$folder/munge.socket,cred_expire=5
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool-%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/%n.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=1,sched_interval=2
SchedulerType=sched/builtin
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
KillWait=10
MinJobAge=300
SlurmctldTimeout=30
SlurmdTimeout=30
GresTypes=gpu
NodeName=n1 NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=26821 CPUs=4 RealMemory=8000 Gres=gpu:2
NodeName=n2 NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=26822 CPUs=4 RealMemory=8000 Gres=gpu:2
PartitionName=test Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
CONF
printf 'NodeName=n[1-2] Name=gpu File=%s\n' "$folder/gpu[0-1]" >"$folder/gres.conf"
echo CgroupPlugin=cgroup/v1 >"$folder/cgroup.conf"
if ! cmp -s "$folder/slurm.conf.new" "$folder/slurm.conf"; then
  [ ! -f "$folder/slurm.conf" ] || stop
  rm -rf "$folder"/state/*
fi
mv "$folder/slurm.conf.new" "$folder/slurm.conf"

start munged munged munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" \
  --pid-file="$folder/munged.pid" --log-file="$folder/munged.log" --seed-file="$folder/munge.seed"
start slurmctld slurmctld slurmctld
for node in n1 n2; do
  start slurmd "$node" slurmd -N "$node"
done

for _ in $(seq 100); do
  # A node that an earlier test set down, or that missed a call while it was stopped, is resumed.
  scontrol update nodename=n1,n2 state=resume >/dev/null 2>&1 || true
  [ "$(sinfo --noheader --Node --states=idle,mixed,allocated --format=%N 2>/dev/null | sort -u | wc -l)" = 2 ] && {
    echo "$(slurmctld -V): two nodes, SLURM_CONF=$SLURM_CONF"
    exit
  }
  sleep 0.2
done
echo "setup.sh: the nodes did not come up; see $folder/*.log" >&2
tail -n 5 "$folder"/slurmctld.log "$folder"/n?.log >&2
exit 1
