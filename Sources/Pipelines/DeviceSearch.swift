// A search for a device with everything it reads: predictor, tables, and what the supernet was trained for. The
// search stage runs it; the command builds it before anything is enqueued, which finds what can never succeed.

import Artifacts
import Foundation
import Networks
import Search

/// Searches the trained part of a space for devices.
struct DeviceSearch {
    /// What a search reads, as artifacts.
    struct Inputs {
        var predictor: Artifact
        var latencyTable: Artifact?
        var energyTable: Artifact?
        /// The supernet that is cut; needed only where the predictor does not say what it was fitted on.
        var supernet: Artifact?
    }

    /// What is known of where a predictor came from; nothing of one that a person brought.
    struct Origin: Decodable {
        /// On how many images its accuracies were measured.
        let images: Int?
        /// The digest of that supernet.
        let supernet: Digest?
        /// What was done to the images that its networks were calibrated on; nil is nothing.
        let calibrationAugmentation: CalibrationAugmentation?
    }

    let predictor: AccuracyPredictor
    let origin: Origin
    /// What the supernet was trained for; nil where neither it nor the predictor says.
    let trained: TrainedDomain?
    /// The space with only what the supernet was trained for.
    let space: SearchSpace
    /// Image sizes that are trained, predicted, and in every table.
    let sizes: [Int]
    let latencyTable, energyTable: LatencyTable?
    /// The mean error of the latency table on whole networks, as a share; nil when it was never checked.
    let latencyError: Double?
    /// Effort and seed.
    var options: EvolutionarySearch.Options

    /// Prepares searches of `space`; the artifacts are read with `blob`.
    ///
    /// Errors: `outsideDomain` for a predictor of another space or one whose answers are no accuracies, `missingLatency` for tables without a common size,
    /// `mismatch` for a predictor of another supernet.
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
        latencyTable = try table(inputs.latencyTable)?.corrected(for: space.name)
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

    /// What is stored beside the bytes of an artifact.
    static func metadata<Value: Decodable>(_ type: Value.Type, _ artifact: Artifact) throws -> Value
    {
        try JSONText.decode(
            type, from: artifact.metadataJSON, what: "artifact \(artifact.id) (\(artifact.kind))")
    }

    /// A search for networks of `device`; throws `infeasible` with the smallest reachable values.
    func search(_ device: DeviceTarget) throws -> EvolutionarySearch {
        try EvolutionarySearch(
            space: space, resolutions: sizes, device: device, latencyTable: latencyTable,
            energyTable: energyTable, options: options)
    }
}

/// What the metadata of a supernet, or of what was made from one, says, whichever version wrote it; nothing for one that a person brought.
struct SupernetOrigin: Decodable {
    let trained: TrainedDomain?
}
