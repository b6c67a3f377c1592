# The Python half of check-onnx.sh: `prepare` makes images, `compare` runs exported models in other runtimes.
import gzip
import pathlib
import sys

import numpy

SIZES = (32, 40, 48, 56, 64)  # of the fixtures' networks
MEAN = numpy.array([0.485, 0.456, 0.406], numpy.float32)  # as in ONNXExportTests
DEVIATION = numpy.array([0.229, 0.224, 0.225], numpy.float32)
# The fixtures of each family, by their names: ten networks, each as two models.
FAMILIES = {"MobileNetV3": "mbv3-", "ProxylessNAS": "proxyless-", "ResNet50": "resnet50-"}
MODELS = 20
INT8_MODELS = 3  # of each fixture
INT8_EQUAL = 0.995  # the least share of images with the same top-1 in eight bits
TOLERANCE = 1e-4  # of a logit's error, relative to the largest logit of the network
IMAGES = {"fashion": 2000, "pictures": 200}


def pictures_of_fashion(folder):
    """Returns the first test images of Fashion-MNIST as grey pictures."""
    from PIL import Image

    raw = gzip.open(pathlib.Path(folder) / "t10k-images-idx3-ubyte.gz").read()
    pixels = numpy.frombuffer(raw, numpy.uint8, offset=16).reshape(-1, 28, 28)
    return [Image.fromarray(image) for image in pixels[: IMAGES["fashion"]]]


def pictures_of_folder(folder):
    """Returns the drawn test pictures."""
    from PIL import Image

    files = sorted(pathlib.Path(folder).glob("test/*/*.jpg"))
    return [Image.open(file) for file in files[: IMAGES["pictures"]]]


def prepare(out, fashion, drawn):
    """Writes all pictures at each size, as bytes (N, size, size, 3)."""
    sets = {"fashion": pictures_of_fashion(fashion), "pictures": pictures_of_folder(drawn)}
    for name, pictures in sets.items():
        assert len(pictures) == IMAGES[name], f"{name}: {len(pictures)} pictures"
        for size in SIZES:
            square = [numpy.asarray(p.convert("RGB").resize((size, size))) for p in pictures]
            numpy.stack(square).tofile(f"{out}/{name}-{size}.u8")


def runtimes(path):
    """Yields a name and a function from images to logits, for each runtime."""
    import onnxruntime
    import openvino

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    yield "onnxruntime", lambda images: session.run(None, {"input": images})[0]
    core = openvino.Core()
    # Without this OpenVINO may compute in 16 bits on processors that have them.
    model = core.compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    yield "openvino", lambda images: model(images)[0]


def compare_int8(out, families, failures):
    """Checks every model in eight bits against ONNX Runtime, which computes them in integers."""
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Without it, sums of two products saturate on processors without VNNI instructions.
    options.add_session_config_entry("session.x64quantprecision", "1")
    for name in families:
        paths = sorted(pathlib.Path(out).glob(f"{name}-[0-9]-int8.onnx"))
        other, equal, logits, images = 0, 0, 0, 0
        for path in paths:
            onnx.checker.check_model(str(path), full_check=True)
            size = int({p.key: p.value for p in onnx.load(path).metadata_props}["resolution"])
            pixels = numpy.fromfile(f"{out}/fashion-{size}.u8", numpy.uint8).reshape(-1, size, size, 3)
            ours = numpy.fromfile(f"{out}/{path.stem}-fashion.f32", "<f4").reshape(len(pixels), -1)
            inputs = ((pixels.astype(numpy.float32) / 255 - MEAN) / DEVIATION).transpose(0, 3, 1, 2)
            inputs = numpy.ascontiguousarray(inputs)
            session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
            parts = [session.run(None, {"input": inputs[i : i + 100]})[0] for i in range(0, len(inputs), 100)]
            theirs = numpy.concatenate(parts)
            other += int((theirs.argmax(1) != ours.argmax(1)).sum())
            equal += int((theirs == ours).sum())
            logits += ours.size
            images += len(ours)
        if len(paths) != INT8_MODELS:
            failures.append(f"{name}: {len(paths)} models in eight bits, not {INT8_MODELS}")
        if not other <= (1 - INT8_EQUAL) * images:
            failures.append(f"{name} in eight bits: {other} other top-1 of {images}")
        print(
            f"check-onnx: {name} in eight bits: {len(paths)} models, {images} images, {other} other top-1,"
            f" {100 * equal / max(logits, 1):.2f} % of the logits equal to the bit"
        )


def compare(out):
    """Checks every model; prints a line for each fixture and exits with 1 if one fails or a family is missing."""
    import onnx

    failures, families = [], {}
    for path in sorted(pathlib.Path(out).glob("*.onnx")):
        if path.stem.endswith("-int8"):
            continue
        name = path.stem.removesuffix("-pixels")
        onnx.checker.check_model(str(path), full_check=True)
        metadata = {p.key: p.value for p in onnx.load(path).metadata_props}
        size, takes_bytes = int(metadata["resolution"]), path.stem != name
        family = families.setdefault(name.rsplit("-", 1)[0], {"models": 0, "images": 0, "answers": set(), "runs": {}})
        family["models"] += 1
        for kind, count in IMAGES.items():
            pixels = numpy.fromfile(f"{out}/{kind}-{size}.u8", numpy.uint8)
            pixels = pixels.reshape(count, size, size, 3)
            ours = numpy.fromfile(f"{out}/{name}-{kind}.f32", "<f4").reshape(count, -1)
            if takes_bytes:
                pixels = pixels[:100]  # the graph is the same after its normalisation
                images = pixels.transpose(0, 3, 1, 2)
            else:
                family["images"] += count
                images = (pixels.astype(numpy.float32) / 255 - MEAN) / DEVIATION
                images = images.transpose(0, 3, 1, 2)
            family["answers"].update(ours.argmax(1).tolist())
            images, ours = numpy.ascontiguousarray(images), ours[: len(images)]
            for runtime, run in runtimes(path):
                parts = [run(images[start : start + 100]) for start in range(0, len(images), 100)]
                theirs = numpy.concatenate(parts)
                # The first image alone: the number of images must be free.
                alone = run(images[:1])
                assert theirs.shape == ours.shape and alone.shape == ours[:1].shape, f"{path.name}: {theirs.shape}"
                largest = abs(ours).max()
                # NaN stays NaN in numpy's max, unlike in Python's.
                error = float(numpy.max([abs(theirs - ours).max(), abs(alone - ours[:1]).max()]) / largest)
                other = int((theirs.argmax(1) != ours.argmax(1)).sum())
                record = family["runs"].setdefault(runtime, {"error": 0.0, "other": 0})
                record["error"] = float(numpy.max([record["error"], error]))
                record["other"] += other
                if not error <= TOLERANCE or other > 0:  # NaN fails, too
                    failures.append(f"{path.name} on {kind}, {runtime}: error {error:.2e}, {other} other top-1")
    for name, family in families.items():
        runs = "; ".join(
            f"{runtime}: largest error {record['error']:.1e} of the largest logit, {record['other']} other top-1"
            for runtime, record in family["runs"].items()
        )
        classes = len(family["answers"])
        print(f"check-onnx: {name}: {family['models']} models, {family['images']} images, {classes} classes; {runs}")
        if family["models"] != MODELS:
            failures.append(f"{name}: {family['models']} models, not {MODELS}")
        if classes < 2:
            failures.append(f"{name}: every image is of one class, so equal top-1 says nothing")
    compare_int8(out, families, failures)
    for family, prefix in FAMILIES.items():
        if not any(name.startswith(prefix) for name in families):
            failures.append(f"no fixture of family {family} ({prefix}*)")
    for failure in failures:
        print(f"check-onnx: FAILED: {failure}", file=sys.stderr)
    if failures:
        sys.exit(f"check-onnx: {len(failures)} failures, {len(families)} fixtures")


if __name__ == "__main__":
    {"prepare": prepare, "compare": compare}[sys.argv[1]](*sys.argv[2:])
