"""Prints the features of the package named, one a line, from the output of `cargo metadata`."""

import json
import sys

for package in json.load(sys.stdin)["packages"]:
    if package["name"] == sys.argv[1]:
        print("\n".join(sorted(set(package["features"]) - {"default"})))
