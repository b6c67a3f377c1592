// Finds a supernet's weights among the named tensors of a file. The reference code has named the same arrays in several
// ways: blocks under `conv` or `mobile_inverted_conv`, elastic layers with doubled suffixes (`.bn.bn.`) or plain ones,
// and each with or without prefixes of wrappers (`module.`) and of dictionaries around the state dict. Names are compared
// after removing these differences, and the part of the file with the most arrays of the supernet is read. Another part
// may lie below it (`ema.` beside a state dict at the top level) and is left out.

import Intake
import Networks

/// A supernet's weights, read from a file.
public struct SupernetFile {
    /// The weights, in the layout of the space.
    public let weights: Weights
    /// The number of arrays that were read from the file.
    public let tensors: Int
    /// The part of the file that holds the arrays, such as `state_dict.module`; empty for the whole file.
    public let part: String
    /// Whether the file has no kernel transform matrices although the space has them; they are the identity.
    public let isWithoutTransforms: Bool

    /// The part that is the whole file, as users write it.
    static let topLevel = "."

    /// Finds the supernet of `space` in `file`. With `part`, only that part of the file is read; `.` is the top level.
    /// Arrays outside the part or in another part below it are ignored, and so are counters of batches
    /// (`num_batches_tracked`).
    ///
    /// Errors: `mismatch` if no part or several parts hold the supernet, or with the names of all arrays that are missing,
    /// unknown, of another shape or of impossible values.
    public init(_ file: SafetensorsFile, space: SearchSpace, part wanted: String? = nil) throws {
        let names = try Names(space)
        let counts = Self.counts(of: file, names)
        let part = try Self.part(of: file, counts, space, wanted)
        let prefix = part.isEmpty ? "" : part + "."
        let weights = Weights(names.layout)
        var faults = Faults()
        var found: [String: String] = [:]
        for name in Self.names(of: file) where name.hasPrefix(prefix) {
            guard
                let own = names.known[
                    Names.canonical(
                        name.dropFirst(prefix.count).split(
                            separator: ".", omittingEmptySubsequences: false)[...])]
            else {
                if !Self.isInner(name, of: part, counts) { faults.unknown.append(name) }
                continue
            }
            if let other = found.updateValue(name, forKey: own.name) {
                faults.doubled.append("\(Shown.excerpt(other)) and \(Shown.excerpt(name))")
                continue
            }
            try Self.load(file, name, own, into: weights, &faults)
        }
        let lacking = names.all.filter { found[$0.name] == nil }
        let transforms = names.all.filter { $0.role == .transform }
        isWithoutTransforms =
            !transforms.isEmpty && lacking.count { $0.role == .transform } == transforms.count
        for parameter in lacking {
            if isWithoutTransforms, parameter.role == .transform {
                let side = parameter.shape[0]
                try weights.set(
                    parameter.name,
                    to: (0..<side * side).map { $0 % (side + 1) == 0 ? 1 : 0 })
            } else {
                faults.missing.append(parameter.name)
            }
        }
        guard faults.isEmpty else { throw Self.mismatch(faults, file, part, space) }
        self.weights = weights
        self.part = part
        tensors = found.count
    }

    /// Copies one array after checking its shape and values.
    private static func load(
        _ file: SafetensorsFile, _ name: String, _ own: ParameterLayout.Parameter,
        into weights: Weights, _ faults: inout Faults
    ) throws {
        guard let tensor = file.tensors[name] else {
            if let why = file.unread[name] {
                faults.unread.append("\(Shown.excerpt(name)) \(why)")
                return
            }
            faults.misshapen.append("\(Shown.excerpt(name)) holds integers where floats belong")
            return
        }
        guard tensor.shape == own.shape else {
            faults.misshapen.append(
                "\(Shown.excerpt(name)) is \(ShapeText.shown(tensor.shape)) where \(own.shape) belongs"
            )
            return
        }
        let isVariance = own.name.hasSuffix("running_var")
        guard tensor.values.allSatisfy({ $0.isFinite && (!isVariance || $0 >= 0) }) else {
            faults.impossible.append(name)
            return
        }
        try weights.set(own.name, to: tensor.values)
    }

    /// The names of all tensors but counters of batches, sorted.
    private static func names(of file: SafetensorsFile) -> [String] {
        [Array(file.tensors.keys), Array(file.integers.keys), Array(file.unread.keys)].joined()
            .filter { !$0.hasSuffix("num_batches_tracked") }.sorted()
    }

    /// Returns the number of arrays of the supernet in each part of the file that has some.
    private static func counts(of file: SafetensorsFile, _ names: Names) -> [String: Int] {
        var counts: [String: Int] = [:]
        for name in Self.names(of: file) {
            let parts = name.split(separator: ".", omittingEmptySubsequences: false)
            for depth in 0..<min(Names.deepest, parts.count)
            where names.known[Names.canonical(parts[depth...])] != nil {
                counts[parts[..<depth].joined(separator: "."), default: 0] += 1
            }
        }
        return counts
    }

    /// Returns whether an array of `part` lies in another part below it that has arrays of a supernet.
    private static func isInner(_ name: String, of part: String, _ counts: [String: Int]) -> Bool {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        return (0..<min(Names.deepest, parts.count)).contains { depth in
            let outer = parts[..<depth].joined(separator: ".")
            return outer.utf8.count > part.utf8.count && counts[outer] != nil
        }
    }

    /// Returns the part of the file with the most arrays of the supernet.
    private static func part(
        of file: SafetensorsFile, _ counts: [String: Int], _ space: SearchSpace, _ wanted: String?
    ) throws -> String {
        if let wanted = wanted == topLevel ? "" : wanted {
            guard counts[wanted] != nil else {
                throw InterchangeError(
                    .mismatch,
                    "the file has no part \(shown(wanted)) with arrays of a supernet",
                    remedy: counts.isEmpty
                        ? nil : "it has \(listed(counts.keys.sorted().map(shown)))")
            }
            return wanted
        }
        guard let most = counts.values.max() else {
            let all = Self.names(of: file)
            throw InterchangeError(
                .mismatch,
                "none of the file's \(all.count) tensors is one of a supernet of space \(space.name)"
                    + (all.isEmpty ? "" : ": \(listed(all.map { Shown.excerpt($0) }, most: 5))"),
                remedy: "is it the weights of a supernet?")
        }
        let best = counts.filter { $0.value == most }.keys.sorted()
        guard best.count == 1 else {
            throw InterchangeError(
                .mismatch, "the file holds several supernets: \(listed(best.map(shown)))",
                remedy:
                    "name the part to read, as with --part \(best[0].isEmpty ? topLevel : Shown.excerpt(best[0]))"
            )
        }
        return best[0]
    }

    private static func shown(_ part: String) -> String {
        part.isEmpty ? "\(topLevel) (the top level)" : Shown.excerpt(part)
    }

    private static func mismatch(
        _ faults: Faults, _ file: SafetensorsFile, _ part: String, _ space: SearchSpace
    ) -> InterchangeError {
        InterchangeError(
            .mismatch,
            "the file's tensors\(part.isEmpty ? "" : " under \(Shown.excerpt(part))") are no supernet of space"
                + " \(space.name): \(faults.words)",
            remedy: fitting(file, part, besides: space) ?? "name the space that it was trained in")
    }

    /// Returns a remedy that names the published space whose first and last layers have the shapes of the file's; nil if
    /// there is none. The import in that space checks all layers.
    private static func fitting(
        _ file: SafetensorsFile, _ part: String, besides space: SearchSpace
    ) -> String? {
        var shapes: [String: [Int]] = [:]
        for (name, tensor) in file.tensors where name.hasPrefix(part) {
            let parts = name.dropFirst(part.isEmpty ? 0 : part.count + 1).split(separator: ".")
            shapes[Names.canonical(parts[...])] = tensor.shape
        }
        let other = SearchSpace.published.first { other in
            guard other.coupling == nil, other != space else { return false }
            do {
                return try Weights.layout(supernetOf: other).parameters.filter {
                    $0.role == .weight && !$0.name.hasPrefix("blocks.")
                }.allSatisfy {
                    shapes[Names.canonical($0.name.split(separator: ".")[...])] == $0.shape
                }
            } catch { return false }
        }
        return other.map { "it looks like one of space \($0.name): --space \($0.name)" }
    }

    fileprivate static func listed(_ all: [String], most: Int = 50) -> String {
        all.prefix(most).joined(separator: ", ")
            + (all.count > most ? " and \(all.count - most) more" : "")
    }
}

/// What is wrong with the arrays of a file.
private struct Faults {
    var missing: [String] = []
    var unknown: [String] = []
    var misshapen: [String] = []
    var impossible: [String] = []
    var doubled: [String] = []
    var unread: [String] = []

    var isEmpty: Bool {
        [missing, unknown, misshapen, impossible, doubled, unread].allSatisfy(\.isEmpty)
    }

    var words: String {
        let parts = [
            ("missing", missing), ("not known", unknown.map { Shown.excerpt($0) }),
            ("of another shape", misshapen),
            (
                "with values that are not finite, or with negative variances",
                impossible.map { Shown.excerpt($0) }
            ),
            ("there twice", doubled), ("not readable", unread),
        ]
        return parts.filter { !$0.1.isEmpty }.map { kind, names in
            "\(names.count) \(kind) (\(SupernetFile.listed(names)))"
        }.joined(separator: "; ")
    }
}

/// The names of a supernet's arrays, without the differences between versions of the reference code.
private struct Names {
    /// The most components of a prefix before the names of the state dict.
    static let deepest = 6

    let layout: ParameterLayout
    let all: [ParameterLayout.Parameter]
    let known: [String: ParameterLayout.Parameter]

    init(_ space: SearchSpace) throws {
        layout = try Weights.layout(supernetOf: space)
        all = layout.parameters + layout.statistics
        var known: [String: ParameterLayout.Parameter] = [:]
        for parameter in all {
            let name = Self.canonical(parameter.name.split(separator: ".")[...])
            if let other = known.updateValue(parameter, forKey: name) {
                throw InterchangeError(
                    .unsupported,
                    "space \(space.name) has two arrays that older files name alike, \(other.name) and \(parameter.name)"
                )
            }
        }
        self.known = known
    }

    /// Returns a name with `conv` for `mobile_inverted_conv` and without doubled components.
    static func canonical(_ parts: ArraySlice<Substring>) -> String {
        var kept: [Substring] = []
        for part in parts {
            let part = part == "mobile_inverted_conv" ? "conv" : part
            if part != kept.last || Int(part) != nil { kept.append(part) }
        }
        return kept.joined(separator: ".")
    }
}
