#!/usr/bin/env bash
# Runs every fuzz target for so many seconds each, from its seeds: fuzz/run.sh SECONDS [TARGET...]
#
# Needs cargo-fuzz (`cargo install cargo-fuzz --locked`) and no other compiler than the usual one.
# What is found grows fuzz/corpus/TARGET; an input that breaks a target is left in
# fuzz/artifacts/TARGET and ends this with its status. FUZZ_BUILD: further flags for the build;
# FUZZ_FLAGS: for the run, as `-seed=1 -runs=50000` for the same inputs each time.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:?how many seconds for each target}
shift
# Coverage needs flags that the stable compiler has, but hides.
export RUSTC_BOOTSTRAP=1

targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(cargo fuzz list)
# shellcheck disable=SC2086 # several flags
cargo fuzz build ${FUZZ_BUILD:-}
for target in "${targets[@]}"; do
  printf '\n== %s\n' "$target"
  mkdir -p "corpus/$target"
  # shellcheck disable=SC2086
  cargo fuzz run ${FUZZ_BUILD:-} "$target" "corpus/$target" "seeds/$target" -- \
    -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=20 -print_final_stats=1 -verbosity=0 \
    ${FUZZ_FLAGS:-}
done
