// A device search with its inputs: predictor, tables, and the genes and image sizes that the supernet was trained on
// (its trained domain). The stages `search` and `materialise` run the search. `Specialization.check` prepares the
// search before enqueuing, to reject a search that cannot succeed.

import Artifacts
import Devices
import Foundation
import Networks
import Search

/// Finds networks for devices, within the trained domain of a space.
struct DeviceSearch {
    /// The artifacts that a search reads.
    struct Inputs {
        var predictor: Artifact
        var latencyTable: Artifact?
        var energyTable: Artifact?
        /// The supernet that networks are to be extracted from; nil if unknown. The predictor must have been fitted on
        /// networks of this supernet. If the predictor records no trained domain, the supernet's is used.
        var supernet: Artifact?
    }

    /// The recorded origin of a predictor; all fields are nil for a user-supplied predictor.
    struct Origin: Decodable {
        /// The number of images used to measure the accuracy of each network that the predictor was fitted on.
        let images: Int?
        /// The digest of the supernet whose networks the predictor was fitted on.
        let supernet: Digest?
        /// How calibration images were augmented for the networks that the predictor was fitted on; nil for no
        /// augmentation.
        let calibrationAugmentation: CalibrationAugmentation?
    }

    let predictor: AccuracyPredictor
    let origin: Origin
    /// The genes and image sizes that the supernet was trained on; nil if neither the supernet nor the predictor
    /// records them.
    let trained: TrainedDomain?
    /// The space restricted to the trained domain.
    let space: SearchSpace
    /// The image sizes that are in the trained domain, in the predictor's domain and in every given table.
    let sizes: [Int]
    let latencyTable, energyTable: LatencyTable?
    /// The mean relative error of the latency table on whole networks; nil if the table was never checked.
    let latencyError: Double?
    /// Search effort and seed.
    var options: EvolutionarySearch.Options

    /// Prepares searches of `space`; `blob` returns the bytes of an artifact.
    ///
    /// Errors: `outsideDomain` if the predictor is of another space or does not predict accuracies; `missingLatency` if
    /// tables have no common image size; `mismatch` if the predictor was fitted on networks of another supernet, if
    /// predictor and supernet have no common image size, or if the latency table is of another space.
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
        if let table = inputs.latencyTable {
            try Self.metadata(TableOrigin.self, table).check(table, space)
        }
        latencyTable = try table(inputs.latencyTable)?.corrected(for: space)
        energyTable = try table(inputs.energyTable)
        latencyError = try inputs.latencyTable.flatMap {
            try LatencyTableSummary(of: $0).meanError
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

    /// Returns the metadata of an artifact. Errors: `invalidArtifact`.
    static func metadata<Value: Decodable>(_ type: Value.Type, _ artifact: Artifact) throws -> Value
    {
        try JSONText.decode(
            type, from: artifact.metadataJSON, what: "artifact \(artifact.id) (\(artifact.kind))")
    }

    /// Returns a search for `device`. Errors: `infeasible` with the smallest reachable values; `outsideDomain` for a
    /// predictor of accuracies in eight bits, if the device computes in floats.
    func search(_ device: DeviceTarget) throws -> EvolutionarySearch {
        try predictor.checkBits(of: device)
        return try EvolutionarySearch(
            space: space, resolutions: sizes, device: device, latencyTable: latencyTable,
            energyTable: energyTable, options: options)
    }
}

/// The trained domain in the metadata of a supernet or of an artifact made from a supernet; nil if none is recorded, as
/// in data of older versions.
struct SupernetOrigin: Decodable {
    let trained: TrainedDomain?
}
