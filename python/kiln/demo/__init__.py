"""`python -m kiln.demo`: trains a network on handwritten digits eagerly and compiled (and with PyTorch, if it is there), and compares."""
