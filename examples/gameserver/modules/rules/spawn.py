"""Who comes next."""

WAVE = [("rat", 60), ("goblin", 120), ("troll", 400)]


def monster(fallen):
    """The name and the hit points of the next monster, after so many have fallen."""
    return WAVE[fallen % len(WAVE)]
