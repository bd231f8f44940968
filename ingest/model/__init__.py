"""The export of a model to the form that is served."""
