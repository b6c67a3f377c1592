// The predictions of a network by class that its stages recorded: of the network itself, or of an evaluation of the network that
// the same search chose.

import Artifacts
import Datasets
import Foundation
import Postgres
import Training

/// The recorded predictions of a network on the test images, by class.
public struct ConfusionRecord: Sendable {
    /// The artifact that records them.
    public let artifact: ArtifactID
    /// The counts.
    public let confusion: Confusion

    /// `confusion` is what `artifact` records.
    public init(artifact: ArtifactID, confusion: Confusion) {
        (self.artifact, self.confusion) = (artifact, confusion)
    }

    /// Reads what is recorded of `network` (of kind `subnet`), whose figures are `figures`: by the stage that cut it, else by
    /// an evaluation of the same search result. Nil if nothing is recorded. Evaluations whose bytes are damaged or missing
    /// are passed over. Errors: `invalidArtifact` for an evaluation that cannot be read.
    public static func find(
        _ network: Artifact, _ figures: NetworkFigures, _ connection: Connection
    ) throws -> ConfusionRecord? {
        if let own = figures.confusion, let confusion = counted(own) {
            return ConfusionRecord(artifact: network.id, confusion: confusion)
        }
        // An evaluation is of the network before it was trained further.
        guard figures.fineTuning == nil else { return nil }
        for evaluation in try ArtifactStore(connection).evaluations(of: network) {
            let networks: [(name: String, confusion: Confusion)]
            do {
                networks = try all(of: evaluation, connection)
            } catch let error as ArtifactsError where error.isOfBytes {
                continue
            }
            if let found = networks.first(where: { $0.name == figures.device }) {
                return ConfusionRecord(artifact: evaluation.id, confusion: found.confusion)
            }
        }
        return nil
    }

    /// Returns the networks of an evaluation of which predictions are recorded. Errors: those of reading blobs;
    /// `invalidArtifact`.
    public static func all(
        of evaluation: Artifact, _ connection: Connection
    ) throws -> [(name: String, confusion: Confusion)] {
        let bytes = try BlobStore(connection).get(evaluation.digest)
        let read = try JSONText.decode(
            ArmEvaluation.self, from: String(decoding: bytes, as: UTF8.self),
            what: "artifact \(evaluation.id) (\(evaluation.kind))")
        return read.networks.compactMap { network in
            network.confusion.flatMap(counted).map { (network.name, $0) }
        }
    }

    /// Returns the counts of classes² cells; nil for another number of cells.
    private static func counted(_ cells: [Int]) -> Confusion? {
        let classes = Int(Double(cells.count).squareRoot().rounded())
        return Confusion(classes: classes, counts: cells)
    }

    /// The chart of the recorded predictions; `names` are those of the classes, as far as they are known.
    public func plot(names: [String], title: String) -> ConfusionPlot {
        ConfusionPlot(confusion, names: names.map { ByteName($0) }, title: title)
    }
}
