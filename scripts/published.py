#!/usr/bin/env python3
"""Lists packages of the workspace, from `cargo metadata`.

Usage: scripts/published.py               prints the published packages in publish order: a package follows its own dependencies
       scripts/published.py --examples    prints the packages in examples/
       scripts/published.py PACKAGE       prints the features of a package, one a line, without `default`
"""

import functools
import graphlib
import json
import os
import subprocess
import sys

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))


@functools.cache
def metadata():
    command = ["cargo", "metadata", "--locked", "--no-deps", "--format-version", "1"]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)


def members():
    """Returns each package of the workspace by its name."""
    return {package["name"]: package for package in metadata()["packages"]}


def published():
    """Returns the names of the published packages in publish order, and fails if there is none."""
    packages = {name: package for name, package in members().items() if package["publish"] != []}
    # The registry checks every dependency that has a version. This includes dependencies for development.
    needs = {name: [each["name"] for each in package["dependencies"] if each["name"] in packages and each["req"] != "*"]
             for name, package in packages.items()}
    names = list(graphlib.TopologicalSorter({name: sorted(needs[name]) for name in sorted(needs)}).static_order())
    assert names, "no package is published"
    return names


def folder(name):
    return os.path.dirname(members()[name]["manifest_path"])


def libraries():
    """Returns the names of the published packages that have a library, in publish order."""
    kinds = {name: [kind for target in members()[name]["targets"] for kind in target["kind"]]
             for name in published()}
    return [name for name in published() if "lib" in kinds[name]]


def examples():
    """Returns the names of the packages in examples/."""
    names = sorted(name for name in members() if os.path.dirname(folder(name)) == os.path.join(ROOT, "examples"))
    assert names, "there are no examples"
    return names


def features(name):
    return sorted(set(members()[name]["features"]) - {"default"})


def main(arguments):
    if arguments == ["--examples"]:
        return examples()
    return features(arguments[0]) if arguments else published()


if __name__ == "__main__":
    print("\n".join(main(sys.argv[1:])))
