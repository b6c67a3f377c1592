// One folder of numbers computed with the reference implementation: weights, cases and tensors.

import Foundation
import Interchange
import Networks
import Tensors
import TestSupport
import Testing
import Training

/// A fixture and the supernet that runs it.
struct ParityFixture: CustomTestStringConvertible, Sendable {
    struct Arch: Decodable, Sendable {
        let ks, w: [Int]?
        let e: [Double]
        let d: [Int]
    }

    struct Step: Decodable, Sendable {
        let archs: [Arch]
        let losses: [Double]
    }

    struct Case: Decodable, Sendable {
        let id: Int
        let kind: String
        let arch: Arch?
        let resolution: Int?
        let params, macs: Int?
        let loss, ce, kd: Double?
        let grad_norms, running_norms_after, final_norms: [String: Double]?
        let lr, momentum, weight_decay: Float?
        let steps: [Step]?
    }

    /// The constants of a family that its name does not say.
    private struct Structure: Decodable {
        let stem_base_width: Int?
        let stage_base_widths: [Int]?
    }

    private struct Cases: Decodable, Sendable {
        let family: String?
        let width_mult: Double?
        let n_classes: Int
        let ks_list: [Int]?
        let depth_list: [Int]
        let expand_ratio_list: [Double]
        let width_mult_list: [Double]?
        let structure: Structure?
        let batch: Int
        let cases: [Case]
    }

    let name: String
    let space: SearchSpace
    let tolerance: Tolerance
    let batch: Int
    let cases: [Case]
    private let stored: SafetensorsFile
    private let tensors: SafetensorsFile

    static let all: [ParityFixture] = SharedFolders.fixtures.map { folder in
        do { return try ParityFixture(folder) } catch {
            fatalError("fixture \(folder.path): \(error)")
        }
    }

    init(_ folder: URL) throws {
        func file(_ name: String) throws -> [UInt8] {
            [UInt8](try Data(contentsOf: folder.appending(path: name)))
        }
        name = folder.lastPathComponent
        let description = try JSONDecoder().decode(Cases.self, from: Data(try file("cases.json")))
        space = try Self.space(name, description)
        tolerance = description.family == nil ? .first : .families
        batch = description.batch
        cases = description.cases
        stored = try Safetensors.decode(bytes: file("weights.safetensors"))
        tensors = try Safetensors.decode(bytes: file("tensors.safetensors"))
    }

    private static func space(_ name: String, _ cases: Cases) throws -> SearchSpace {
        let sizes = [32, 40, 48, 56, 64]
        switch cases.family {
        case nil:
            return .mobileNetV3(
                name: name, widthMultiplier: try #require(cases.width_mult),
                classes: cases.n_classes, kernelSizes: try #require(cases.ks_list),
                expandRatios: cases.expand_ratio_list, depths: cases.depth_list, resolutions: sizes)
        case "proxyless":
            return .proxyless(
                name: name, widthMultiplier: try #require(cases.width_mult),
                classes: cases.n_classes, kernelSizes: try #require(cases.ks_list),
                expandRatios: cases.expand_ratio_list, depths: cases.depth_list, resolutions: sizes)
        default:
            let structure = try #require(cases.structure)
            return .resNet50(
                name: name, classes: cases.n_classes,
                stem: try #require(structure.stem_base_width),
                widths: try #require(structure.stage_base_widths),
                multipliers: try #require(cases.width_mult_list),
                expandRatios: cases.expand_ratio_list, depths: cases.depth_list, resolutions: sizes)
        }
    }

    var testDescription: String { name }

    func cases(_ kind: String) -> [Case] { cases.filter { $0.kind == kind } }

    /// A supernet with the fixture's weights.
    func network(threads: Int = 2, instructionSet: InstructionSet? = nil) throws -> Network {
        let weights = try Weights(supernetOf: space, seed: 0)
        try weights.load(stored.tensors.mapValues { ($0.shape, $0.values) })
        return try Network(
            supernet: weights, of: space,
            engine: try CPUEngine(threads: threads, instructionSet: instructionSet))
    }

    func shape(_ arch: Arch, _ resolution: Int) throws -> NetworkShape {
        try NetworkShape(
            space,
            SubnetConfig(
                kernelSizes: arch.ks ?? [], expandRatios: arch.e, depths: arch.d,
                widths: arch.w ?? [], resolution: resolution))
    }

    func values(_ name: String) throws -> [Float] { try tensors.tensor(name).values }

    func has(_ name: String) -> Bool { tensors.tensors[name] != nil }

    var statisticNames: [String] {
        tensors.tensors.keys.filter { $0.hasPrefix("recal.stats.") }.map {
            String($0.dropFirst(12))
        }.sorted()
    }

    func labels(_ name: String) throws -> [Int32] {
        try tensors.integerTensor(name).values.map(Int32.init)
    }

    /// Stored images (N, 3, H, W) as the engine's (N, H, W, 3).
    func images(_ name: String) throws -> FeatureMap {
        let tensor = try tensors.tensor(name)
        let (n, c, h, w) = (tensor.shape[0], tensor.shape[1], tensor.shape[2], tensor.shape[3])
        var values = [Float](repeating: 0, count: tensor.values.count)
        for i in 0..<n {
            for k in 0..<c {
                for p in 0..<h * w {
                    values[(i * h * w + p) * c + k] = tensor.values[(i * c + k) * h * w + p]
                }
            }
        }
        return FeatureMap(Tensor(values), images: n, height: h, width: w, channels: c)
    }
}

/// How far the reference in float64 may lie from its own float32 values, relative, times five: ours sums in another
/// order, for which five times as much is sound.
struct Tolerance: Sendable {
    let logits, loss, gradientMedian, gradientMost, gradientWorst, gradientValue: Double
    let runningNorm, recalibrated: Double
    /// Of five optimizer steps: losses, and norms of all tensors; nil where the steps are chaotic.
    let steps: (loss: Double, norm: Double)?

    /// Of the first fixtures (README of the fixtures).
    static let first = Tolerance(
        logits: 5 * 1.5e-5, loss: 5 * 1.4e-6, gradientMedian: 5 * 2.5e-5, gradientMost: 5 * 1e-4,
        gradientWorst: 5 * 2.4e-4, gradientValue: 5 * 2.4e-4, runningNorm: 5 * 1.5e-5,
        recalibrated: 5 * 1.5e-5, steps: nil)

    /// Of the further families (section 3 of their description).
    static let families = Tolerance(
        logits: 5 * 1.5e-5, loss: 5 * 3e-6, gradientMedian: 5 * 5e-6, gradientMost: 5 * 1.5e-5,
        gradientWorst: 5 * 5e-5, gradientValue: 5 * 1.3e-4, runningNorm: 5 * 7e-7,
        recalibrated: 5 * 5e-6, steps: (5 * 4e-6, 5 * 1e-5))
}

/// Largest difference over the largest expected value.
func relativeError(_ got: [Float], _ expected: [Float]) -> Double {
    guard got.count == expected.count else { return .infinity }
    let scale = expected.reduce(0) { max($0, abs($1)) }
    let worst = zip(got, expected).reduce(Float(0)) {
        $1.0.isNaN ? .infinity : max($0, abs($1.0 - $1.1))
    }
    return Double(worst) / Double(max(scale, .leastNormalMagnitude))
}

func norm(_ values: [Float]) -> Double {
    values.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
}
