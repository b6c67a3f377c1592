// One network of a search space as genes. Skipped layers have genes too; `SearchSpace.canonical` sets these genes to 0,
// so that equal networks have equal genes.
import Foundation
import Intake

/// The genes of one network: kernel size and expand ratio of every layer, depth of every stage, the widths (in families
/// with width genes), and the resolution.
///
/// Layers are listed stage by stage at full depth. JSON keys are `ks`, `e`, `d`, `w` and `r`; `r` may also be a list of
/// one value, and lists that a family does not have are omitted. Two configurations of the same network have the same
/// canonical form.
public struct SubnetConfig: Codable, Sendable, Hashable {
    /// Kernel size of every layer, stage by stage at full depth; empty in families without kernel genes.
    public var kernelSizes: [Int]
    /// Expand ratio of every layer, stage by stage at full depth.
    public var expandRatios: [Double]
    /// The depth gene of every stage.
    public var depths: [Int]
    /// For every width gene, the index of the chosen width; empty in families of constant widths.
    public var widths: [Int]
    /// Image height and width in pixels.
    public var resolution: Int

    /// Takes the genes unchecked; `SearchSpace.validate` checks them.
    public init(
        kernelSizes: [Int], expandRatios: [Double], depths: [Int], widths: [Int] = [],
        resolution: Int
    ) {
        self.kernelSizes = kernelSizes
        self.expandRatios = expandRatios
        self.depths = depths
        self.widths = widths
        self.resolution = resolution
    }

    private enum CodingKeys: String, CodingKey {
        case kernelSizes = "ks"
        case expandRatios = "e"
        case depths = "d"
        case widths = "w"
        case resolution = "r"
    }

    /// Reads `{"ks": […], "e": […], "d": […], "r": 224}`; `r` may be `[224]`, other keys are ignored. This initializer
    /// is for data that this program stored; `init(json:)` reads other sources.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        kernelSizes = try values.decodeIfPresent([Int].self, forKey: .kernelSizes) ?? []
        expandRatios = try values.decode([Double].self, forKey: .expandRatios)
        depths = try values.decode([Int].self, forKey: .depths)
        widths = try values.decodeIfPresent([Int].self, forKey: .widths) ?? []
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

    /// Writes what `init(from:)` reads; empty lists of kernels and widths are omitted.
    public func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        if !kernelSizes.isEmpty { try values.encode(kernelSizes, forKey: .kernelSizes) }
        try values.encode(expandRatios, forKey: .expandRatios)
        try values.encode(depths, forKey: .depths)
        if !widths.isEmpty { try values.encode(widths, forKey: .widths) }
        try values.encode(resolution, forKey: .resolution)
    }

    /// Reads an architecture from an external source, `{"ks": […], "e": […], "d": […], "r": 224}`;
    /// `r` may be `[224]`.
    ///
    /// Errors: `malformed`, naming the key or the field.
    public init(json text: String) throws(NetworkError) {
        do throws(InputFault) {
            try self.init(try JSONNode(text))
        } catch {
            throw NetworkError(.malformed, error.reason, remedy: error.remedy)
        }
    }

    /// Reads an architecture from JSON; `path` is the place of `node`, for errors. `given` is the resolution if the JSON
    /// has none. Errors: `InputFault`, naming the field.
    public init(
        _ node: JSONNode, path: String = "", resolution given: Int? = nil
    ) throws(InputFault) {
        // The OFA library writes `"wid": null` into sampled architectures.
        let fields = try JSONReader(node, path: path, known: ["ks", "e", "d", "w", "r", "wid"])
        if let width = fields["wid"], width != .null {
            throw InputFault(
                "field wid is not supported: widths are chosen by w", remedy: "leave it out")
        }
        widths = fields["w"] == nil ? [] : try fields.wholes("w")
        // Families with width genes have no kernel genes; otherwise a missing list is an error.
        kernelSizes = fields["ks"] == nil && !widths.isEmpty ? [] : try fields.wholes("ks")
        expandRatios = try fields.reals("e")
        depths = try fields.wholes("d")
        if fields["r"] == nil, let given {
            resolution = given
            return
        }
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
