"""Vision networks as pure functions: a model is a function, everything else takes functions and arrays.

Rooms: `backbones` (networks), `attribution` (which pixels matter), `adversarial` (which pixels fool), `visualization`
(which image excites), `pixels` (the pixel loop and image operations), `training`, `data`, `weights`, `files`, and
`cs231n` (the course's own names). Import the room you need; importing `jaxvision` alone loads nothing.
"""

__version__ = "0.1.0"
