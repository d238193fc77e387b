# What the machine of suite.sh does.
set -euo pipefail
cp -r /share/tree/. /
useradd --create-home --shell /bin/bash --groups docker segarena-test
loginctl enable-linger segarena-test
if [ "$store" = containerd ]; then
  systemctl stop docker.service docker.socket
  mkdir -p /etc/docker
  echo '{"features": {"containerd-snapshotter": true}}' >/etc/docker/daemon.json
  systemctl start docker.service
fi
docker info --format 'Docker {{.ServerVersion}}, {{.Driver}}'
podman --version
"$binary" --test-threads 1 "${arguments[@]}"
