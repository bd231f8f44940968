"""The video model, the encoders, the index and search: shared by the API and the batch job."""

import os

__version__ = "0.2.0"
"""The version of the project. pyproject.toml reads it from here, and so does the API."""

# When onnxruntime 1.32 is imported, it writes a device id and usage events, and it contains an address to
# send them to. This variable disables that; it must be set before the first import of onnxruntime.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
