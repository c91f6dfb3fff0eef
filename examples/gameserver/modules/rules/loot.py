"""What a fallen monster leaves behind."""

# The days' total outlives a change of this module; everything else is taken from the new source.
__reload_keep__ = ("total",)

total = 0
PURSE = {"rat": 1, "goblin": 5, "troll": 20}


def gold(monster):
    global total
    found = PURSE.get(monster, 0)
    total += found
    return found
