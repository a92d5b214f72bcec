"""Vision networks as pure functions: a model is a function, everything else takes functions and arrays.

Rooms: `backbones` (networks), `attribution` (which pixels matter), `adversarial` (which pixels fool), `visualization`
(which image excites), `recurrent` (RNN, LSTM and GRU), `captioning`, `pixels` (the pixel loop and image operations),
`training`, `data`, `weights`, `files`, `cs231n` (the course's own names) and `numpy_reference` (its layers with
derivatives by hand). Import the room you need; importing `jaxvision` alone loads nothing.
"""

__version__ = "0.1.0"
