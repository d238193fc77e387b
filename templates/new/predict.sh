#!/bin/sh
# What the challenge runs: /bin/bash -c "sh predict.sh", in the folder that WORKDIR names.
exec python3 predict.py
