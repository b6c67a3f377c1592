// Reads the dense layers of a predictor that another program fitted, from the named tensors of a file. There are two
// forms, distinguished by the tensors' names; the form determines the order of the features:
// - published (the authors' tutorial, 128 features): the names are `0.weight`, `0.bias`, `2.weight` …, and the order is
//   kernels, ratios, image sizes;
// - library (`MobileNetArchEncoder` of mit-han-lab/once-for-all, ofa/nas/accuracy_predictor): the names are
//   `layers.0.0.weight` …, or there is a tensor `base_acc`; the order is image sizes, kernels, ratios, and the last
//   layer may have no bias.

import Intake

/// Dense layers in order, and the form that determines the order of their features.
struct PredictorStateDict {
    /// A tensor of a file.
    typealias Tensor = (shape: [Int], values: [Float])

    /// The forms of a state dict.
    enum Form: Sendable {
        /// The features are kernels, ratios, image sizes.
        case published
        /// The features are image sizes, kernels, ratios; `base_acc`, if there is one, is added to the output.
        case library
    }

    /// A layer: `weights` is (outputs, inputs), and `bias` has one value per output.
    struct Layer {
        var name: String
        var weights: [Float]
        var bias: [Float]
        let inputs: Int
    }

    /// The form of the state dict.
    let form: Form
    /// The layers in order; at least one, with matching widths and one output.
    private(set) var layers: [Layer]

    /// Reads the layers from `tensors`. Errors: `malformed`, naming `source` and, where there is one, the faulty tensor
    /// or the layers whose widths do not match.
    init(_ tensors: [String: Tensor], source: String) throws {
        func malformed(_ what: String, remedy: String? = nil) -> SearchError {
            SearchError(.malformed, "\(source) \(what)", remedy: remedy)
        }
        let names = tensors.keys.sorted(by: NaturalOrder.precedes)
        let weights = names.filter {
            Self.hasLastPart($0, "weight") && tensors[$0]?.shape.count == 2
        }
        guard !weights.isEmpty else {
            throw malformed("holds no dense layers", remedy: "is it an accuracy predictor?")
        }
        let bases = names.filter { Self.hasLastPart($0, "base_acc") }
        var known = Set(weights + bases)
        var layers: [Layer] = []
        for (place, name) in weights.enumerated() {
            guard let weight = tensors[name] else { continue }
            let stem = String(name.dropLast("weight".count))
            let outputs = weight.shape[0]
            let bias = tensors["\(stem)bias"]
            guard bias?.shape == [outputs] || (bias == nil && place == weights.count - 1) else {
                throw malformed("has \(Shown.excerpt(name)), but no bias that fits it")
            }
            known.insert("\(stem)bias")
            layers.append(
                Layer(
                    name: stem.hasSuffix(".") ? String(stem.dropLast()) : stem,
                    weights: weight.values,
                    bias: bias?.values ?? Array(repeating: 0, count: outputs),
                    inputs: weight.shape[1]))
        }
        if let other = names.first(where: { !known.contains($0) }) {
            throw malformed(
                "holds \(Shown.excerpt(other)), which is no part of dense layers with rectifiers",
                remedy: "save the predictor's layers alone")
        }
        try Self.checkChain(layers, source)
        let isLibrary =
            !bases.isEmpty || weights.contains { $0.split(separator: ".").contains("layers") }
        form = isLibrary ? .library : .published
        self.layers = layers
        try add(bases, tensors, source)
        guard layers.allSatisfy({ ($0.weights + $0.bias).allSatisfy(\.isFinite) }) else {
            throw malformed("holds numbers that are not finite")
        }
    }

    /// Adds the value of `base_acc`, if there is one, to the last bias.
    private mutating func add(
        _ bases: [String], _ tensors: [String: Tensor], _ source: String
    ) throws {
        guard let name = bases.first, let base = tensors[name] else { return }
        guard bases.count == 1, base.values.count == 1, base.values[0].isFinite else {
            throw SearchError(
                .malformed,
                "\(source) must hold one base_acc with one finite number; it holds "
                    + bases.map { name in
                        let values = tensors[name]?.values ?? []
                        return values.count == 1
                            ? "\(name) \(values[0])" : "\(name) with \(values.count)"
                    }.joined(separator: ", "))
        }
        layers[layers.count - 1].bias[0] += base.values[0]
    }

    /// Returns whether `part` is the last component of a dotted name.
    private static func hasLastPart(_ name: String, _ part: String) -> Bool {
        name == part || name.hasSuffix(".\(part)")
    }

    /// Throws `malformed` unless the widths of consecutive layers match and the last layer has one output.
    private static func checkChain(_ layers: [Layer], _ source: String) throws {
        for layer in layers
        where layer.inputs < 1 || layer.bias.isEmpty
            || layer.weights.count != layer.inputs * layer.bias.count
        {
            throw SearchError(
                .malformed,
                "\(source): layer \(Shown.excerpt(layer.name)) has \(layer.weights.count) weights for"
                    + " \(layer.inputs) inputs and \(layer.bias.count) outputs")
        }
        for (before, layer) in zip(layers, layers.dropFirst()) {
            let (name, last) = (Shown.excerpt(layer.name), Shown.excerpt(before.name))
            if before.bias.count == 1, layer.inputs == layers[0].inputs {
                throw SearchError(
                    .malformed,
                    "\(source) holds two networks: \(last) ends one and \(name) begins another",
                    remedy: "save one"
                )
            }
            guard layer.inputs == before.bias.count else {
                throw SearchError(
                    .malformed,
                    "\(source): layer \(name) takes \(layer.inputs) inputs, and \(last) before it gives"
                        + " \(before.bias.count)",
                    remedy: "number the layers in the order they are applied, as in fc1.weight")
            }
        }
        if let last = layers.last, last.bias.count != 1 {
            throw SearchError(
                .malformed,
                "\(source): a predictor ends with one number; layer \(Shown.excerpt(last.name)) gives"
                    + " \(last.bias.count)")
        }
    }

    /// Returns the layers with the first layer's inputs in the order of the published form; `sizes` is the number of
    /// inputs that stand for image sizes.
    func inPublishedOrder(sizes: Int) -> [Layer] {
        guard form == .library, sizes > 0 else { return layers }
        var layers = layers
        let inputs = layers[0].inputs, weights = layers[0].weights
        layers[0].weights = stride(from: 0, to: weights.count, by: inputs).flatMap { start in
            weights[start + sizes..<start + inputs] + weights[start..<start + sizes]
        }
        return layers
    }
}
