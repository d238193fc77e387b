#!/bin/sh
# Installs what tests/tools/report.rs reads reports with, on Debian, as root: Chromium, its driver, and a
# font for its pages. What is there is kept.
set -eu

if command -v chromium >/dev/null 2>&1 && command -v chromedriver >/dev/null 2>&1; then
    echo "browser-setup: $(chromium --version --no-sandbox 2>/dev/null) is there"
    exit 0
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    chromium chromium-driver fonts-dejavu-core
