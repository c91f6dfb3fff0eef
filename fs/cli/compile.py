# SPDX-License-Identifier: MIT
"""Run by `pymodfs check`: compiles what comes on standard input, executes nothing.

For each module a line of two numbers, the sizes of its path and of its source, then both. What is wrong goes to standard
output, a JSON object a line, with the number of the module. Now and then a line says how many are done.
"""
import json
import signal
import sys
import warnings

signal.signal(signal.SIGINT, signal.SIG_DFL)
warnings.simplefilter("ignore")
stdin = sys.stdin.buffer
number = -1
while head := stdin.readline():
    number += 1
    if number % 200 == 0:
        print(json.dumps({"done": number}), flush=True)
    path_size, size = map(int, head.split())
    path = stdin.read(path_size).decode("utf-8", "surrogateescape")
    source = stdin.read(size)
    top = path.removesuffix("/__init__.py").removesuffix(".py")
    if top in sys.stdlib_module_names:
        print(json.dumps({"module": number, "stdlib": True, "line": 0, "message": ""}))
    try:
        compile(source, path, "exec", dont_inherit=True)
    except SyntaxError as error:
        print(json.dumps({"module": number, "stdlib": False, "line": error.lineno or 0, "message": str(error.msg)}))
    except (ValueError, OverflowError, RecursionError, MemoryError) as error:
        message = str(error) or type(error).__name__
        print(json.dumps({"module": number, "stdlib": False, "line": 0, "message": message}))
