#!/usr/bin/env bash
# Makes the wheel for older systems and tries it where there is neither Rust nor a compiler: in a bare
# Debian 11, which has glibc 2.31 and Python 3.9.
#
# usage: python/bare.sh [WHEEL]     as root on Debian, with mmdebstrap
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp --directory)
trap 'umount "$scratch/root/proc" 2>/dev/null || true; rm -rf --one-file-system "$scratch"' EXIT

python3 -m venv "$scratch/pip"
pip=("$scratch/pip/bin/python" -m pip --quiet --disable-pip-version-check)
mkdir "$scratch/wheels"
if [ $# -eq 1 ]; then
  cp "$1" "$scratch/wheels"
else
  SEGARENA_GLIBC=2.17 "${pip[@]}" wheel --no-deps --wheel-dir "$scratch/wheels" "$here"
fi
wheel=$(basename "$scratch"/wheels/segarena-*.whl)
case $wheel in
*manylinux_2_17_*) ;;
*) echo "python/bare.sh: $wheel is no wheel for glibc 2.17" >&2 && exit 1 ;;
esac
"${pip[@]}" download --only-binary :all: --python-version 3.9 --platform manylinux2014_x86_64 \
  --dest "$scratch/wheels" numpy tqdm

# From where this machine has its own packages.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Label: Debian' | head -n 1)
[ -n "$mirror" ] || { echo "python/bare.sh: apt knows no mirror of Debian: apt-get update" >&2; exit 1; }
mmdebstrap --quiet --variant=minbase --include=python3-venv bullseye "$scratch/root" "$mirror"
mount -t proc proc "$scratch/root/proc"
cp -r "$scratch/wheels" "$scratch/root/wheels"
cat >"$scratch/root/try.sh" <<'TRY'
set -eu
for compiler in cc gcc clang rustc cargo; do
  ! command -v "$compiler" >/dev/null || { echo "there is a compiler: $compiler" >&2; exit 1; }
done
python3 -m venv /env
/env/bin/pip install --quiet --no-index --find-links /wheels segarena
cd /tmp
/env/bin/segarena demo --quiet --output demo
/env/bin/python - <<'PYTHON'
import numpy as np, segarena
gts = np.zeros((9, 9, 9), np.uint8)
gts[2:7, 2:7, 2:7] = 1
click = segarena.next_clicks(gts, np.zeros_like(gts))[1]
assert (click.kind, tuple(click.at)) == ("fg", (4, 4, 4)), click
assert segarena.dsc(gts, gts) == {1: 1.0}
PYTHON
test -s demo/results/report.html
python3 --version
ldd --version | head -n 1
TRY
chroot "$scratch/root" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin sh /try.sh
echo "$wheel works there"
