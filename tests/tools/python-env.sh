#!/bin/sh
# Makes the Python environments that some tests compare against: target/python/numpy-VERSION,
# each with one numpy, an old, a middle and a new one; numpy 2 comes with scipy. Environments that
# are there are kept.
#
# usage: tests/tools/python-env.sh [VERSION…]        versions of numpy, by default 1.24 1.26 2
# SEGARENA_PYTHON_ENVS  another folder than target/python
# PYTHON                the interpreter to use; without it, the first python3 that works
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
envs=${SEGARENA_PYTHON_ENVS:-$root/target/python}

# numpy 1.24 has no wheel for Python 3.12 and later, numpy 2 none for 3.8.
make_env() {
    version=$1
    env=$envs/numpy-$version
    more=
    if [ "$version" = 2 ]; then
        more=scipy
    fi
    if "$env/bin/python" -c "import numpy${more:+, $more}" 2>/dev/null; then
        echo "python-env: $env is there"
        return 0
    fi
    for python in ${PYTHON:-python3.11 python3.10 python3.9 python3 python3.12 python3.13}; do
        command -v "$python" >/dev/null 2>&1 || continue
        rm -rf "$env"
        if "$python" -m venv "$env" 2>/dev/null &&
            "$env/bin/python" -m pip install --quiet --disable-pip-version-check \
                --only-binary :all: "numpy==$version.*" $more; then
            echo "python-env: made $env with $("$env/bin/python" -V)"
            return 0
        fi
    done
    rm -rf "$env"
    echo "python-env: numpy $version could not be installed with any python3 here" >&2
    return 1
}

mkdir -p "$envs"
[ $# -gt 0 ] || set -- 1.24 1.26 2
for version in "$@"; do
    make_env "$version"
done
