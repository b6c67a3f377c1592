// The program that measures a bundle on another device, as a text: it is written into every bundle. It needs Python
// with onnxruntime and numpy, and nothing of this project.

import Devices

extension DeviceBundle {
    /// The text of run.py.
    static let runner = #"""
        #!/usr/bin/env python3
        """Times every model of this folder with ONNX Runtime and writes results.json.

            pip install onnxruntime numpy
            python3 run.py               # an interrupted run continues with the same command

        Copy results.json back and import it: ofa device import-results NAME results.json
        Rounds are interleaved: every round visits each model of an image size, so that slow phases
        of the machine affect all models alike. The first run of a visit finds the caches full of other
        models, as a part does in a network; the import decides from the whole networks which runs count.
        """
        import argparse
        import hashlib
        import json
        import os
        import platform
        import sys
        import time

        import numpy
        import onnxruntime

        here = os.path.dirname(os.path.abspath(__file__))


        def arguments():
            parser = argparse.ArgumentParser(
                description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
            parser.add_argument("--threads", type=int, default=1, help="threads of a model (1)")
            parser.add_argument("--warmup", type=int, default=0, help="untimed runs per visit (0)")
            parser.add_argument("--repeats", type=int, default=4, help="timed runs per visit (4)")
            parser.add_argument("--rounds", type=int, default=30, help="visits of each model (30)")
            parser.add_argument("--provider", default="CPUExecutionProvider",
                                help="execution provider (CPUExecutionProvider)")
            parser.add_argument("--output", default=os.path.join(here, "results.json"),
                                help="the file of results")
            options = parser.parse_args()
            for name in ("threads", "repeats", "rounds"):
                if getattr(options, name) < 1:
                    parser.error(f"--{name} is {getattr(options, name)}; it must be 1 or more")
            if options.warmup < 0:
                parser.error(f"--warmup is {options.warmup}; it must be 0 or more")
            if options.repeats * options.rounds < 5:
                parser.error("--repeats times --rounds must be 5 or more")
            if options.provider not in onnxruntime.get_available_providers():
                parser.error(f"--provider {options.provider} is not in this ONNX Runtime; it has "
                             + ", ".join(onnxruntime.get_available_providers()))
            return options


        def write(results, path):
            """Writes the results to a temporary file, which then replaces the old file."""
            with open(path + ".part", "w") as file:
                json.dump(results, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(path + ".part", path)


        def begin(options, manifest, digest):
            """Returns the results of an interrupted run, or empty ones."""
            results = {
                "format": "ofa-bundle-results-1", "manifest": digest, "bundle": manifest["bundle"],
                "runtime": "onnxruntime " + onnxruntime.__version__, "provider": options.provider,
                "threads": options.threads, "warmup": options.warmup, "repeats": options.repeats,
                "rounds": options.rounds, "machine": platform.machine() + " " + platform.node(),
                "complete": False, "percentiles": {}, "milliseconds": {},
            }
            if not os.path.exists(options.output):
                return results
            with open(options.output) as file:
                old = json.load(file)
            for name in list(results)[:8] + ["machine"]:
                if old.get(name) != results[name]:
                    sys.exit(f"{options.output} has {name} {old.get(name)}, and this run "
                             f"{results[name]}: remove the file, or name another with --output")
            return {**results, "milliseconds": old["milliseconds"]}


        def prepare(entry, batch, options):
            """Returns a model and its input and output, which stay in place between runs."""
            settings = onnxruntime.SessionOptions()
            settings.intra_op_num_threads = options.threads
            settings.inter_op_num_threads = 1
            settings.log_severity_level = 3
            model = onnxruntime.InferenceSession(
                os.path.join(here, entry["file"]), settings, providers=[options.provider])
            if model.get_providers()[0] != options.provider:
                sys.exit(f"ONNX Runtime refused {options.provider} and took "
                         f"{model.get_providers()[0]}: install what the provider needs")
            binding = model.io_binding()
            first, last = model.get_inputs()[0], model.get_outputs()[0]
            values = numpy.random.default_rng(1).standard_normal(
                [batch] + first.shape[1:], dtype=numpy.float32)
            make = onnxruntime.OrtValue
            binding.bind_ortvalue_input(first.name, make.ortvalue_from_numpy(values))
            binding.bind_ortvalue_output(
                last.name,
                make.ortvalue_from_shape_and_type([batch] + last.shape[1:], numpy.float32))
            return model, binding


        def visit(model, binding, options):
            """Returns the milliseconds of each timed run."""
            for _ in range(options.warmup):
                model.run_with_iobinding(binding)
            times = []
            for _ in range(options.repeats):
                start = time.perf_counter_ns()
                model.run_with_iobinding(binding)
                times.append((time.perf_counter_ns() - start) * 1e-6)
            return times


        def main():
            options = arguments()
            with open(os.path.join(here, "manifest.json"), "rb") as file:
                text = file.read()
            manifest = json.loads(text)
            results = begin(options, manifest, hashlib.sha256(text).hexdigest())
            try:
                write(results, options.output)
            except OSError as error:
                sys.exit(f"cannot write {options.output}: {error.strerror}; name another with --output")
            found = results["milliseconds"]
            sizes = sorted({entry["resolution"] for entry in manifest["entries"]})
            done = sum(len(found.get(entry["name"], [])) for entry in manifest["entries"])
            total = len(manifest["entries"]) * options.rounds * options.repeats
            start, before = time.monotonic(), done
            for size in sizes:
                entries = [entry for entry in manifest["entries"] if entry["resolution"] == size]
                counts = [len(found.get(entry["name"], [])) // options.repeats for entry in entries]
                if min(counts) >= options.rounds:
                    continue
                models = [prepare(entry, manifest["bundle"]["batch"], options) for entry in entries]
                for number in range(min(counts), options.rounds):
                    for entry, (model, binding) in zip(entries, models):
                        found.setdefault(entry["name"], []).extend(
                            visit(model, binding, options))
                    write(results, options.output)
                    done += len(entries) * options.repeats
                    left = (time.monotonic() - start) / (done - before) * (total - done)
                    print(f"size {size}, round {number + 1}/{options.rounds}: "
                          f"{100 * done / total:.1f} %, {left:.0f} s left", flush=True)
            for name, times in found.items():
                results["percentiles"][name] = [
                    float(numpy.percentile(times, share)) for share in (10, 50, 90, 99)]
            results["complete"] = True
            write(results, options.output)
            print(f"{options.output} is complete: ofa device import-results NAME {options.output}")


        if __name__ == "__main__":
            main()
        """#
}
