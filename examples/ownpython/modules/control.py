"""Opens the window when it is too warm."""

import thermometer

LIMIT = 20.0


def step():
    degrees = thermometer.read()
    print(f"{degrees} degrees, window", "open" if degrees > LIMIT else "shut", flush=True)
