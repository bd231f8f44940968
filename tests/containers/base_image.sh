#!/usr/bin/env bash
# Makes the base image from Debian's own packages, where no registry can be reached:
#
#   tests/containers/base_image.sh
#
# It stands in for the official image of the same name: the same Debian and the same minor version of Python, only
# that `python` is Debian's. Needs root, debootstrap and a running dockerd. Leaves an image that is there alone.
set -euo pipefail

image=python:3.11-slim-bookworm

if docker image inspect "$image" >/dev/null 2>&1; then
    echo "$image is here already; docker rmi $image removes it"
    exit
fi

root=$(mktemp --directory)
trap 'rm -rf "$root"' EXIT

debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv,python3-pip bookworm "$root"
ln -s python3 "$root/usr/bin/python"
# What debootstrap downloaded is installed, and would only make the image larger.
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*

tar --create --directory "$root" . | docker import --change 'ENV LANG=C.UTF-8' --change 'CMD ["python3"]' - "$image"
docker run --rm --network none "$image" python -c 'import sys; print("Python", sys.version.split()[0])'
