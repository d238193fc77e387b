#!/usr/bin/env bash
# The Python package: its lock, its wheel, its tests on an old and a new Python, its types.
#
# usage: python/ci.sh
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
envs=$root/target/python/package
wheels=$envs/wheels
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target} SEGARENA_BUILD_PROFILE=dev

# The first of these interpreters that works: by name, else one of pyenv's.
interpreter() {
  local version candidate
  for version in "$@"; do
    for candidate in "python$version" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/python3; do
      if "$candidate" -c 'import venv, ensurepip' 2>/dev/null; then
        echo "$candidate"
        return
      fi
    done
  done
  return 1
}

# An environment with this numpy and what the tests need.
environment() {
  local name=$1 python=$2
  shift 2
  "$envs/$name/bin/python" -c 'import pip' 2>/dev/null || "$python" -m venv --clear "$envs/$name"
  "$envs/$name/bin/python" -m pip install --quiet --disable-pip-version-check \
    pytest tqdm scipy connected-components-3d surface-distance "$@"
}

old=$(interpreter 3.9 3.10 3.11) || old=
new=$(interpreter 3.14 3.13 3.12) || new=
[ -n "$old$new" ] || { echo "python/ci.sh: there is no Python from 3.9 on that can make environments" >&2; exit 1; }
[ -n "$old" ] || echo "python/ci.sh: no old Python (3.9 to 3.11): tried on $new alone"
[ -n "$new" ] || echo "python/ci.sh: no new Python (3.12 or later): tried on $old alone"

cargo metadata --manifest-path "$here/Cargo.toml" --locked --format-version 1 >/dev/null ||
  { echo "python/Cargo.lock is out of date: cargo update --workspace in python/" >&2; exit 1; }
cargo fmt --manifest-path "$here/Cargo.toml" --check

# The program is the one that the workspace's tests run: built alone it would have fewer features of its
# dependencies, and all of them would be compiled once more.
cargo test --manifest-path "$root/Cargo.toml" --workspace --locked --no-run --quiet
export SEGARENA_BUILT_PROGRAM=$CARGO_TARGET_DIR/debug/segarena

mkdir -p "$wheels"
rm -f "$wheels"/*.whl
"${old:-$new}" -m venv "$envs/build"
"$envs/build/bin/python" -m pip wheel --quiet --disable-pip-version-check --no-deps \
  --wheel-dir "$wheels" "$here"

# The wheel is installed as anybody would, and tested from where no source is.
try_on() {
  local name=$1
  "$envs/$name/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
    --force-reinstall "$wheels"/*.whl
  (cd "$envs" && "$envs/$name/bin/python" -m pytest -q -p no:cacheprovider "$here/tests")
}
if [ -n "$old" ]; then
  environment old "$old" 'numpy==1.26.*'
  try_on old
fi
if [ -n "$new" ]; then
  environment new "$new" 'numpy==2.*' pandas pandas-stubs types-tqdm mypy
  try_on new
  (cd "$here" && "$envs/new/bin/python" -m mypy --strict --python-version 3.10 \
    --cache-dir "$envs/mypy" segarena)
fi

# The program that the wheel carries starts itself.
tried=$([ -n "$new" ] && echo new || echo old)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
(cd "$folder" && env -i PATH=/usr/bin:/bin "$envs/$tried/bin/segarena" demo --quiet --output demo)
