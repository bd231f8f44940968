"""An owner's own audio and video files, and the demo's clip."""
