#!/bin/sh
# Install a lock into the environment of an image, and write what it contains (inventory.sh); used by the Dockerfile.
#
#   install_image.sh LOCK
set -eu
python -m pip --python /opt/venv/bin/python install --require-hashes --no-deps --requirement "$1"
cd /opt/venv/lib/python3.*/site-packages
# Nothing imports the tests inside the packages, or the tools that convert models and build extensions.
find . -type d -name tests -prune -exec rm -rf {} +
rm -rf onnxruntime/transformers onnxruntime/quantization onnxruntime/tools numpy/distutils numpy/f2py
/build/inventory.sh /opt/inventory/bin /opt/venv/bin/python /opt/venv
