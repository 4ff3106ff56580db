"""Runs in a peer's process: imports a function with the peer's namespace in place of Kiln's, and measures it.

    python peer.py FOLDER

See peers.py for what is in the folder. Runs where Kiln is not installed; nothing of it is imported but the two files beside this one.
"""

import importlib
import importlib.util
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def load(name, path):
    """A module from a file, under a name of our choice."""
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def find_function(job):
    sys.path.append(job["search"])  # behind the peer's own packages
    module = importlib.import_module(job["module"]) if job["module"] else load("kiln_compared_module", job["file"])
    found = module
    for name in job["function"].split("."):
        found = getattr(found, name)
    return found


def argument(record, folder, library):
    import numpy

    kind = record["kind"]
    if kind == "value":
        return record["value"]
    if kind == "array":
        return library.array(numpy.load(os.path.join(folder, record["file"]), allow_pickle=False), record["requires_grad"])
    if kind == "dict":
        return {key: argument(item, folder, library) for key, item in record["items"].items()}
    items = [argument(item, folder, library) for item in record["items"]]
    return tuple(items) if kind == "tuple" else items


def leaves(tree):
    if isinstance(tree, (tuple, list)):
        return [leaf for item in tree for leaf in leaves(item)]
    return [leaf for item in tree.values() for leaf in leaves(item)] if isinstance(tree, dict) else [tree]


def work(job, folder):
    import numpy

    measure = load("kiln_compared_measure", os.path.join(HERE, "measure.py"))
    namespaces = load("kiln_compared_namespaces", os.path.join(HERE, "namespaces.py"))
    files = [item["file"] for item in namespaces.arrays(job["arguments"])]
    wide = any(numpy.load(os.path.join(folder, file), mmap_mode="r").dtype.name in ("float64", "int64") for file in files)
    library = namespaces.LIBRARIES[job["peer"]](job["threads"], wide)
    sys.modules["kiln"] = library.namespace
    function = find_function(job)

    def fresh():
        return [argument(record, folder, library) for record in job["arguments"]]

    def image(values):
        return [library.numpy(x).tobytes() for x in leaves(values) if library.is_array(x)]

    arguments = [fresh()]
    before = image(arguments[0])
    compiled = library.compile(function, job["form"])

    def call():
        return library.wait(compiled(*arguments[0]))

    resident = measure.ResidentPeak()
    result, first_ms = measure.first_call(call)
    peak = resident.bytes()
    mutated = image(arguments[0]) != before
    outputs = leaves(result) + (leaves(arguments[0]) if mutated else [])
    arrays = [library.numpy(x) for x in outputs if library.is_array(x) or isinstance(x, (int, float, bool))]
    for i, array in enumerate(arrays):
        numpy.save(os.path.join(folder, f"result_{i}.npy"), array, allow_pickle=False)
    del result, outputs

    def restore():
        arguments[0] = fresh()

    if mutated:
        restore()
    resident = measure.ResidentPeak()
    samples = measure.sample(call, job["seconds"], job["repeat"], restore if mutated else None)
    return {
        "version": library.version,
        "first_call_ms": first_ms,
        "peak_resident_bytes": measure.larger(peak, resident.bytes()),
        "results": len(arrays),
        **measure.summary(samples),
    }


def reason(error, peer):
    if isinstance(error, ModuleNotFoundError) and error.name in (peer, "numpy"):
        return f"{error.name} is not installed for {sys.executable}; --peer-python (peer_python) names another interpreter"
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


def main(folder):
    with open(os.path.join(folder, "job.json")) as file:
        job = json.load(file)
    try:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: job["threads"]])  # before the library counts processors
        record = work(job, folder)
    except Exception as error:
        record = {"error": reason(error, job["peer"])}
    partial = os.path.join(folder, "result.partial")
    with open(partial, "w") as file:
        json.dump(record, file)
    os.replace(partial, os.path.join(folder, "result.json"))


if __name__ == "__main__":
    if os.path.realpath(sys.path[0]) == os.path.realpath(HERE):
        del sys.path[0]  # put there for a script: its neighbours are not to be found as modules of their own
    main(sys.argv[1])
