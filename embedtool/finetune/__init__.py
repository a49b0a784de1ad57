"""Training the upper part of a network on labelled photos."""
