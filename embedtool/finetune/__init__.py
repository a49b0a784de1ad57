"""Fine-tuning: train the upper layers of a network on labelled photos."""
