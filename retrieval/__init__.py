"""What the API and the batch job share: the video model, the encoders, the index and search."""

import os

# onnxruntime 1.32 writes a device id and usage events when it is imported, and holds an address to send them
# to. Nothing leaves this machine. It looks at this variable on import, so it is set before any of us can.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
