"""Caption files, and folders of them."""
