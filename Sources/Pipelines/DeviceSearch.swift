// A device search with its inputs: predictor, tables and the supernet's trained domain. The search
// stage runs it; the command builds it before enqueuing, to reject what can never succeed.

import Artifacts
import Devices
import Foundation
import Networks
import Search

/// Searches the trained part of a space for devices.
struct DeviceSearch {
    /// The artifacts that a search reads.
    struct Inputs {
        var predictor: Artifact
        var latencyTable: Artifact?
        var energyTable: Artifact?
        /// The supernet to be cut; needed only if the predictor does not record what it was fitted
        /// on.
        var supernet: Artifact?
    }

    /// The recorded origin of a predictor; all nil for a user-supplied one.
    struct Origin: Decodable {
        /// The number of images on which its accuracies were measured.
        let images: Int?
        /// The digest of that supernet.
        let supernet: Digest?
        /// The augmentation of its networks' calibration images; nil for none.
        let calibrationAugmentation: CalibrationAugmentation?
    }

    let predictor: AccuracyPredictor
    let origin: Origin
    /// The supernet's trained domain; nil if neither it nor the predictor records one.
    let trained: TrainedDomain?
    /// The space restricted to the trained domain.
    let space: SearchSpace
    /// Image sizes that are in the trained domain, the predictor's domain and every table.
    let sizes: [Int]
    let latencyTable, energyTable: LatencyTable?
    /// The mean error of the latency table on whole networks, as a share; nil when it was never checked.
    let latencyError: Double?
    /// Search effort and seed.
    var options: EvolutionarySearch.Options

    /// Prepares searches of `space`; `blob` reads artifacts.
    ///
    /// Errors: `outsideDomain` for a predictor of another space or one that does not predict
    /// accuracies, `missingLatency` for tables without a common size, `mismatch` for a predictor of
    /// another supernet.
    init(
        _ inputs: Inputs, space: SearchSpace, seed: UInt64, blob: (Artifact) throws -> [UInt8]
    ) throws {
        func table(_ artifact: Artifact?) throws -> LatencyTable? {
            try artifact.map {
                try JSONText.decode(
                    LatencyTable.self, from: String(decoding: try blob($0), as: UTF8.self),
                    what: "artifact \($0.id) (\($0.kind))")
            }
        }
        predictor = try PredictorStore.read(inputs.predictor, try blob(inputs.predictor))
        origin = try Self.metadata(Origin.self, inputs.predictor)
        if let supernet = inputs.supernet, let own = origin.supernet, own != supernet.digest {
            throw PipelineError(
                .mismatch,
                "predictor \(inputs.predictor.id) was fitted on networks of another supernet than artifact"
                    + " \(supernet.id)",
                remedy: "fit one for that supernet, or cut the predictor's own")
        }
        let supernet = try inputs.supernet.map { try Self.metadata(SupernetOrigin.self, $0) }
        let trained = predictor.trained ?? supernet?.trained
        self.trained = trained
        self.space = try trained.map(space.restricted) ?? space
        try predictor.checkDomain(space: self.space, resolutions: [])
        try predictor.checkScale(space, "artifact \(inputs.predictor.id)")
        latencyTable = try table(inputs.latencyTable)?.corrected(for: try space.tableName)
        energyTable = try table(inputs.energyTable)
        latencyError = try inputs.latencyTable.flatMap {
            try Self.metadata(LatencyTableSummary.self, $0).meanError
        }
        let known = trained?.resolutions ?? space.resolutions
        let within = try predictor.resolutions(in: space).filter {
            trained == nil || known.contains($0)
        }
        sizes = try LatencyTable.common(within, of: [latencyTable, energyTable])
        guard !sizes.isEmpty else {
            throw PipelineError(
                .mismatch,
                "predictor \(inputs.predictor.id) knows image sizes"
                    + " \(SearchSpace.listed(predictor.fittedResolutions)), and the supernet was trained for"
                    + " \(SearchSpace.listed(known)): none is common")
        }
        options = EvolutionarySearch.Options(for: space)
        options.seed = seed
    }

    /// The metadata of an artifact.
    static func metadata<Value: Decodable>(_ type: Value.Type, _ artifact: Artifact) throws -> Value
    {
        try JSONText.decode(
            type, from: artifact.metadataJSON, what: "artifact \(artifact.id) (\(artifact.kind))")
    }

    /// A search for `device`; throws `infeasible` with the smallest reachable values.
    func search(_ device: DeviceTarget) throws -> EvolutionarySearch {
        try EvolutionarySearch(
            space: space, resolutions: sizes, device: device, latencyTable: latencyTable,
            energyTable: energyTable, options: options)
    }
}

/// The trained domain in the metadata of a supernet or of artifacts made from it, of any version;
/// nil for user-supplied ones.
struct SupernetOrigin: Decodable {
    let trained: TrainedDomain?
}
