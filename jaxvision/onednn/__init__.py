"""Convolution by oneDNN on the CPU, where it is installed (extra `onednn`); `forms` and `conv2d` choose it."""

from jaxvision.onednn.library import library as library
from jaxvision.onednn.primitive import convolve as convolve
from jaxvision.onednn.primitive import operations as operations
