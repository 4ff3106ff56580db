"""Data sets of images, read with every byte accounted for, and batches of them."""

from kiln.data.batches import Batches, batches
from kiln.data.digits import digits
from kiln.data.download import download
from kiln.data.idx import read_idx
from kiln.data.mnist import Split, mnist

__all__ = ["Batches", "Split", "batches", "digits", "download", "mnist", "read_idx"]
