"""Import a module, and say as JSON what that has loaded, and what the standard library has.

python loaded.py MODULE
"""

import sys

before = set(sys.modules)
__import__(sys.argv[1])
loaded = sorted(set(sys.modules) - before)

import json

print(json.dumps(loaded))
print(json.dumps(sorted(sys.stdlib_module_names)))
