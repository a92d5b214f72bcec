"""`python -m jaxvision.weights`."""

from jaxvision.weights.command_line import main

main()
