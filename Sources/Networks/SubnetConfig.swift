// One network of a search space, as genes. Genes of skipped layers are present and ignored: two
// configurations that differ only there are the same network, and compare and hash as one.
import Foundation
import Intake

/// The genes of one network: kernel size and expand ratio per layer, depth per stage, and the
/// resolution.
///
/// Layers are stage-major at full depth. JSON keys are `ks`, `e`, `d` and `r`; `r` may also be a
/// list of one.
public struct SubnetConfig: Codable, Sendable, Hashable {
    /// Kernel size of every layer, stage-major, at full depth.
    public var kernelSizes: [Int]
    /// Expand ratio of every layer, stage-major, at full depth.
    public var expandRatios: [Int]
    /// Number of active layers of every stage.
    public var depths: [Int]
    /// Image height and width in pixels.
    public var resolution: Int

    /// Makes a configuration; nothing is checked until a search space validates it.
    public init(kernelSizes: [Int], expandRatios: [Int], depths: [Int], resolution: Int) {
        self.kernelSizes = kernelSizes
        self.expandRatios = expandRatios
        self.depths = depths
        self.resolution = resolution
    }

    /// Whether the layer at this place of the gene lists is part of the network.
    public func isActive(layer: Int) -> Bool {
        guard let maxDepth else { return true }
        return layer % maxDepth < depths[layer / maxDepth]
    }

    /// The same network with the genes of skipped layers set to 0.
    public var canonical: SubnetConfig {
        var result = self
        for layer in kernelSizes.indices where !isActive(layer: layer) {
            result.kernelSizes[layer] = 0
            result.expandRatios[layer] = 0
        }
        return result
    }

    /// Whether two configurations are the same network: their active genes and resolutions agree.
    public static func == (left: SubnetConfig, right: SubnetConfig) -> Bool {
        guard left.resolution == right.resolution, left.depths == right.depths,
            left.kernelSizes.count == right.kernelSizes.count,
            left.expandRatios.count == right.expandRatios.count
        else { return false }
        guard left.maxDepth != nil else {
            return left.kernelSizes == right.kernelSizes && left.expandRatios == right.expandRatios
        }
        return left.kernelSizes.indices.allSatisfy { layer in
            !left.isActive(layer: layer)
                || left.kernelSizes[layer] == right.kernelSizes[layer]
                    && left.expandRatios[layer] == right.expandRatios[layer]
        }
    }

    /// Feeds the active genes only, in agreement with `==`.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(resolution)
        hasher.combine(depths)
        for layer in kernelSizes.indices where isActive(layer: layer) {
            hasher.combine(kernelSizes[layer])
            if layer < expandRatios.count { hasher.combine(expandRatios[layer]) }
        }
    }

    /// Layers a stage has at full depth; nil when the lists do not fit together (a space's check
    /// says how).
    private var maxDepth: Int? {
        guard !depths.isEmpty, !kernelSizes.isEmpty, kernelSizes.count % depths.count == 0,
            kernelSizes.count == expandRatios.count
        else { return nil }
        return kernelSizes.count / depths.count
    }

    private enum CodingKeys: String, CodingKey {
        case kernelSizes = "ks"
        case expandRatios = "e"
        case depths = "d"
        case resolution = "r"
    }

    /// Reads `{"ks": […], "e": […], "d": […], "r": 224}`; `r` may be `[224]`, other keys are
    /// ignored: what this program stored. What comes from outside is read by `init(json:)`.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        kernelSizes = try values.decode([Int].self, forKey: .kernelSizes)
        expandRatios = try values.decode([Int].self, forKey: .expandRatios)
        depths = try values.decode([Int].self, forKey: .depths)
        do {
            resolution = try values.decode(Int.self, forKey: .resolution)
        } catch DecodingError.typeMismatch {
            let sizes = try values.decode([Int].self, forKey: .resolution)
            guard sizes.count == 1, let size = sizes.first else {
                throw DecodingError.dataCorruptedError(
                    forKey: .resolution, in: values,
                    debugDescription: "r lists \(sizes.count) sizes; a network has one")
            }
            resolution = size
        }
    }

    /// Reads an architecture from outside, `{"ks": […], "e": […], "d": […], "r": 224}`; `r` may be `[224]`.
    ///
    /// Errors: `malformed` naming the key or the field.
    public init(json text: String) throws(NetworkError) {
        do throws(InputFault) {
            try self.init(try JSONNode(text))
        } catch {
            throw NetworkError(.malformed, error.reason, remedy: error.remedy)
        }
    }

    /// Reads an architecture of JSON that stands at `path`.
    public init(_ node: JSONNode, path: String = "") throws(InputFault) {
        // The OFA library writes `"wid": null` into the architectures that it samples.
        let fields = try JSONReader(node, path: path, known: ["ks", "e", "d", "r", "wid"])
        if let width = fields["wid"], width != .null {
            throw InputFault(
                "field wid is given, and layers have one width here", remedy: "leave it out")
        }
        kernelSizes = try fields.wholes("ks")
        expandRatios = try fields.wholes("e")
        depths = try fields.wholes("d")
        guard case .list(let sizes) = try fields.required("r") else {
            resolution = try fields.whole("r")
            return
        }
        let values = try fields.wholes("r")
        guard values.count == 1 else {
            throw InputFault(
                "field r lists \(sizes.count) sizes", remedy: "give one: a network has one")
        }
        resolution = values[0]
    }
}
