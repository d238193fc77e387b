# What a host of cluster.sh does: HOST=1 has Slurm's controller, the file server and a node, and gives the
# commands; HOST=2 has a node, and is switched off in the middle.
#
# The parity set by `segarena slurm`, the submission of KIND: the official results, nothing that is
# finished runs twice, and a submission that takes more memory than its job has costs itself alone.
set -euo pipefail

step() { printf -- '-- %s\n' "$*"; }

interface=$(ls /sys/class/net | grep -v -e '^lo$' -e '^docker' | head -n 1)
ip link set "$interface" up
ip address add "10.9.0.$HOST/24" dev "$interface"
hostnamectl set-hostname "h$HOST"
printf '10.9.0.1 h1\n10.9.0.2 h2\n' >>/etc/hosts
install --owner=munge --group=munge --mode=400 /share/munge.key /etc/munge/munge.key
systemctl restart munge
mkdir -p /nfs /srv/nfs
cat >/etc/slurm/slurm.conf <<'CONF'
ClusterName=two
SlurmctldHost=h1
SlurmUser=slurm
AuthType=auth/munge
AuthInfo=cred_expire=5
StateSaveLocation=/var/lib/slurm/slurmctld
SlurmdSpoolDir=/var/lib/slurm/slurmd
SlurmctldPidFile=/run/slurmctld.pid
SlurmdPidFile=/run/slurmd.pid
ProctrackType=proctrack/cgroup
TaskPlugin=task/cgroup
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdTimeout=60
MessageTimeout=60
MinJobAge=3600
ReturnToService=2
SlurmdParameters=config_overrides
NodeName=h[1-2] CPUs=2 RealMemory=2000
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
printf '%s\n' ConstrainRAMSpace=yes ConstrainSwapSpace=yes >/etc/slurm/cgroup.conf

if [ "$HOST" = 2 ]; then
  until mount -t nfs4 h1:/srv/nfs /nfs 2>/dev/null; do sleep 1; done
  grep ' /nfs ' /proc/mounts
  systemctl start slurmd
  sleep 3600
  exit
fi

mount --bind /srv/nfs /nfs
echo '/srv/nfs h2(rw,sync,no_subtree_check,no_root_squash)' >/etc/exports
systemctl start nfs-server
cp -r /share/segarena /share/parity /nfs
[ "$KIND" = process ] || cp /share/team.tar.gz /nfs
chown -R hpc: /nfs
chmod -R u+w /nfs
systemctl start slurmctld slurmd
until [ "$(sinfo --noheader --Node --states=idle --format=%N | wc -l)" = 2 ]; do sleep 1; done
sinfo --Node

# NAME.toml on these images, in so many shards, for a submission of this command, or of its own.
config() {
  local name=$1 images=$2 tasks=$3 command=${4:-}
  cat >"/nfs/$name.toml" <<TOML
[cases]
images = "$images"
ground_truth = "/nfs/parity/gts"
[output]
dir = "/nfs/$name"
work_dir = "/var/tmp"
[slurm]
tasks = $tasks
lines = ["--cpus-per-task=2", "--mem=700M"]
[[submission]]
name = "team"
TOML
  if [ "$KIND" = process ]; then
    [ -n "$command" ] || command='["python3", "predict.py"]'
    cat >>"/nfs/$name.toml" <<TOML
command = $command
workdir = "/nfs/parity/model"
[backend]
kind = "process"
env = { INPUTS = "{inputs}", OUTPUTS = "{outputs}" }
TOML
  else
    cat >>"/nfs/$name.toml" <<TOML
archive = "/nfs/team.tar.gz"
${command:+command = $command}
[backend]
kind = "podman"
gpus = "none"
allow_unenforced = ["memory", "pids", "cpus"]
TOML
  fi
  chown hpc: "/nfs/$name.toml"
}
submit() { su - hpc -c "cd /nfs && /nfs/segarena slurm --config $1.toml"; }
all_end() { while [ -n "$(squeue --noheader)" ]; do sleep 2; done; }

step "the parity set, one host switched off in the middle"
config results /nfs/parity/imgs 4
submit results
# A case of the other host's is finished, and it is at work on the next.
until grep --quiet --recursive '"host": *"h2"' /nfs/results/team --include='*.json' 2>/dev/null; do sleep 1; done
(cd /nfs/results/team && sha256sum ./*.json) >/tmp/finished
squeue
echo "== switch h2 off"
all_end
sinfo --Node
cat /nfs/results/slurm/gather-*.log
# A record tells when its case began, so that one which ran again has another.
(cd /nfs/results/team && sha256sum --check --quiet /tmp/finished)
echo "finished before, not run again: $(wc -l </tmp/finished)"
if ! python3 /share/golden.py /share/parity/golden.json /nfs/results team; then
  step "what is missing"
  submit results
  all_end
  (cd /nfs/results/team && sha256sum --check --quiet /tmp/finished)
  python3 /share/golden.py /share/parity/golden.json /nfs/results team
fi

step "a submission that takes more memory than its job has"
mkdir -p /nfs/one
cp /nfs/parity/imgs/phantom_perfect.npz /nfs/one
if [ "$KIND" = process ]; then
  greedy='["python3", "-c", "import numpy; numpy.ones(1 << 28)"]'
else
  greedy='["bash", "-c", "s=0123456789; while :; do s=$s$s; done"]'
fi
config greedy /nfs/one 1 "$greedy"
submit greedy
all_end
cat /nfs/greedy/slurm/*.log
python3 - <<'PY'
import json
record = json.load(open("/nfs/greedy/team/phantom_perfect.json"))
for interaction in record["interactions"]:
    print(interaction["outcome"], interaction.get("exit_code"), interaction.get("signal"))
    assert interaction["outcome"] in ("exit", "oom"), interaction
PY
