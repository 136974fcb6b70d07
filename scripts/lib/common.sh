# shellcheck shell=bash disable=SC2034  # sourced; its variables are for the scripts
# Sourced by the scripts (bash): where the tree is, how to speak, which compiler to use.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# Debian's Python, not whatever comes first in PATH: the test peers are Debian packages.
PYTHON=/usr/bin/python3

say() { printf '==> %s\n' "$*" >&2; }

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# Prints the comment block at the top of a script, without the interpreter line.
usage_of() { sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$1"; }

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# Never ask when nobody can answer.
may_ask() { [ "${CI:-}" != true ] && [ -t 0 ] && [ -t 1 ]; }

# A release-type field of /etc/os-release, for example `os_field VERSION_CODENAME`.
os_field() { (. /etc/os-release && eval "printf '%s' \"\${$1:-}\""); }

major_of() { "$1" -dumpversion 2>/dev/null | cut -d. -f1; }

# Prints the compiler to build with, or fails. meson.build says why older ones are refused.
find_compiler() {
  if [ -n "${CXX:-}" ]; then
    printf '%s' "$CXX"
    return
  fi
  local candidate major
  for candidate in clang++-19 clang++-20 clang++-18 clang++-17 clang++; do
    command -v "$candidate" >/dev/null || continue
    major=$(major_of "$candidate")
    [ "${major:-0}" -ge 17 ] && printf '%s' "$candidate" && return
  done
  for candidate in g++ g++-14 g++-13; do
    command -v "$candidate" >/dev/null || continue
    major=$(major_of "$candidate")
    [ "${major:-0}" -ge 13 ] && printf '%s' "$candidate" && return
  done
  return 1
}

# Prints the linker for a compiler, empty for its own default. lld takes a fraction of the time.
find_linker() {
  local major
  case ${1##*/} in
    clang++*)
      major=$(major_of "$1")
      if command -v "lld-$major" >/dev/null; then printf 'lld-%s' "$major"
      elif command -v ld.lld >/dev/null; then printf 'lld'; fi
      ;;
  esac
}
