#!/bin/sh
# Builds the checker against Debian's sources: build.sh PROGRAM. Needs golang-go and golang-github-twstrike-otr3-dev.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
library=/usr/share/gocode/src/github.com/twstrike/otr3
overlay=$(mktemp)
trap 'rm -f "$overlay"' EXIT
printf '{"Replace": {"%s/vectors_check.go": "%s/check.go"}}\n' "$library" "$here" >"$overlay"
GO111MODULE=off GOPATH=/usr/share/gocode go build -overlay "$overlay" -o "$1" "$here/main.go"
