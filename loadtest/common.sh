# shellcheck shell=bash
# Sourced by the load tests that are a Python program in a folder of their own.
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib/common.sh"

# run_program FILE ARGUMENT...: sets up and builds unless told --no-build or --help, then becomes
# FILE, which finds the packages of loadtest/.
run_program() {
  local program=$1 build=yes argument arguments=()
  shift
  for argument in "$@"; do
    case $argument in
      --no-build) build='' ;;
      -h | --help) build='' && arguments+=(--help) ;;
      *) arguments+=("$argument") ;;
    esac
  done
  if [ -n "$build" ]; then
    "$ROOT/scripts/setup" --test
    "$ROOT/scripts/build" release src/app/millrace
  fi
  PYTHONPATH=$ROOT/loadtest exec "$PYTHON" "$program" ${arguments[@]+"${arguments[@]}"}
}
