"""Training the upper part of a network on labelled photos. The rooms that import TensorFlow are
`bottom`, `top` and `training`; the others do not need it."""
