#!/bin/sh
# Installs fleetbox: picks the executable for this machine, verifies its SHA-256, and puts it into its place.
#
#   curl -fsSL https://…/install.sh | sh
#
#   FLEETBOX_VERSION       which release (default: the latest)
#   FLEETBOX_INSTALL_DIR   where to (default: /usr/local/bin for root, else ~/.local/bin)
#   FLEETBOX_DOWNLOADS     where releases lie (default: this project's)
#
# Nothing is changed before the download is whole and verified, and has run; then one rename puts it into place. A release
# fills in the project's name; see docs/internals/releasing.md.
set -eu

repository='@REPOSITORY@'
downloads=${FLEETBOX_DOWNLOADS:-https://github.com/$repository/releases}

fail() { # WHAT NEXT-STEP
  echo "install: $1" >&2
  echo "  try: $2" >&2
  exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

target() { # prints this machine's name for it
  system=$(uname -s) machine=$(uname -m)
  case $machine in
    x86_64 | amd64) machine=x86_64 ;;
    aarch64 | arm64) machine=aarch64 ;;
    *) fail "there is no fleetbox for $machine, expected x86_64 or aarch64" "run it from source: see the README" ;;
  esac
  case $system in
    Linux) echo "linux-$machine" ;;
    Darwin)
      # A shell that Rosetta translates says x86_64 on a processor that is none.
      if [ "$(sysctl -n sysctl.proc_translated 2>/dev/null)" = 1 ]; then machine=aarch64; fi
      echo "macos-$machine"
      ;;
    *) fail "there is no fleetbox for $system, expected Linux or macOS" "run it in a Linux virtual machine" ;;
  esac
}

fetch() { # URL FILE: quietly; the client's words are kept for an error
  if has curl; then
    curl -fsSL --retry 2 --connect-timeout 20 -o "$2" "$1" 2>"$work/words"
  elif has wget; then
    wget -q --tries=3 --connect-timeout=20 -O "$2" "$1" 2>"$work/words"
  else
    fail "neither curl nor wget is there" "install one of them"
  fi
}

digest() { # FILE
  if has sha256sum; then
    sha256sum "$1"
  elif has shasum; then
    shasum -a 256 "$1"
  elif has openssl; then
    openssl dgst -sha256 -r "$1"
  else
    fail "no program here computes SHA-256" "install coreutils or openssl"
  fi | cut -d ' ' -f 1
}

main() {
  target=$(target)
  file=fleetbox-$target.gz
  if [ -n "${FLEETBOX_VERSION:-}" ]; then
    from=$downloads/download/v${FLEETBOX_VERSION#v}
  else
    from=$downloads/latest/download
  fi
  if [ -n "${FLEETBOX_INSTALL_DIR:-}" ]; then
    to=$FLEETBOX_INSTALL_DIR
  elif [ "$(id -u)" = 0 ]; then
    to=/usr/local/bin
  else
    to=$HOME/.local/bin
  fi
  if ! mkdir -p "$to" 2>/dev/null || [ ! -w "$to" ]; then
    fail "$to cannot be written" "choose another directory: FLEETBOX_INSTALL_DIR=~/bin"
  fi

  work=$(mktemp -d)
  aside=$to/.fleetbox.$$
  trap 'rm -rf "$work" "$aside"' EXIT
  trap 'exit 130' INT TERM
  fetch "$from/SHA256SUMS" "$work/SHA256SUMS" ||
    fail "$from/SHA256SUMS cannot be downloaded: $(cat "$work/words")" "look at the network, and at FLEETBOX_VERSION"
  expected=$(sed -n "s/^\([0-9a-f]\{64\}\) [ *]$file\$/\1/p" "$work/SHA256SUMS")
  [ -n "$expected" ] || fail "this release has no $file" "choose another version: FLEETBOX_VERSION=X.Y.Z"
  echo "install: downloading $file"
  fetch "$from/$file" "$work/$file" || fail "$from/$file cannot be downloaded: $(cat "$work/words")" "run this again"
  found=$(digest "$work/$file")
  [ "$found" = "$expected" ] ||
    fail "$file has SHA-256 $found, expected $expected" "run this again; if it stays so, do not use this file, and say so"

  gzip -dc "$work/$file" >"$aside" || fail "$file cannot be unpacked into $to" "look at the space there: df -h $to"
  chmod 755 "$aside"
  version=$("$aside" version 2>"$work/words") ||
    fail "what was downloaded does not run here: $(head -n 3 "$work/words")" "on Linux it needs glibc, which Alpine, for one, does not have"
  before=
  if [ -x "$to/fleetbox" ]; then before=$("$to/fleetbox" version 2>/dev/null || echo "another one"); fi
  mv -f "$aside" "$to/fleetbox"
  if [ "$before" = "$version" ]; then
    echo "install: $version is in $to, as before"
  else
    echo "install: $version is in $to${before:+, in the place of $before}"
  fi
  case :$PATH: in
    *":$to:"*) ;;
    *) echo "install: $to is not on your PATH; for this shell: export PATH=\"$to:\$PATH\"" ;;
  esac
  has "qemu-system-$(uname -m | sed 's/arm64/aarch64/; s/amd64/x86_64/')" ||
    echo "install: QEMU is not there yet; fleetbox doctor says what to install"
}

main
