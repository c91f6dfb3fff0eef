# SPDX-License-Identifier: MIT
"""Writes a C source that defines a constant string with the text of a file.

Usage: embed.py INPUT OUTPUT NAME
"""
import sys


def main():
    source, target, name = sys.argv[1:]
    with open(source, "rb") as file:
        data = file.read()
    if b"\0" in data:
        sys.exit(f"{source}: holds a NUL")
    with open(target, "w", encoding="ascii") as file:
        file.write(f"extern const char {name}[];\nconst char {name}[] = {{\n")
        for start in range(0, len(data), 16):
            file.write(" ".join(f"{byte}," for byte in data[start : start + 16]) + "\n")
        file.write("0};\n")


main()
