#!/bin/sh
# Write what a Python environment contains into a folder: an SBOM (CycloneDX) and the licences of all packages.
#
#   inventory.sh TOOLS PYTHON FOLDER
#
# TOOLS is the folder of the programs of requirements/inventory.lock, PYTHON the interpreter of the environment.
set -eu
"$1/cyclonedx-py" environment --output-reproducible --output-file "$3/sbom.cdx.json" "$2"
"$1/pip-licenses" --python "$2" --format plain-vertical --with-license-file --no-license-path \
    --output-file "$3/third-party-notices.txt" >/dev/null
