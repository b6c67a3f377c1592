// The rows of a data set's summary that `ofa artifacts show` and `ofa dataset show` print.

import Artifacts
import Foundation
import Pipelines

extension DatasetSummary {
    /// The maximum number of classes that `rows` lists; JSON lists all.
    private static let mostListed = 100

    /// The rows of a table of fields and values.
    var rows: [[String]] {
        let counts = classes.map(\.pictures)
        let listed = classes.prefix(Self.mostListed).map {
            "\($0.name) \(Format.grouped($0.pictures))"
        }
        func numbers(_ values: [Float]) -> String {
            values.map { Format.decimal(Double($0), 4) }.joined(separator: ", ")
        }
        func tally(_ counts: [String: Int]) -> String {
            counts.isEmpty
                ? "none"
                : counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map {
                    "\(Format.grouped($0.value)) × \($0.key)"
                }.joined(separator: ", ")
        }
        func range(_ ends: [Int]) -> String {
            ends[0] == ends[1] ? "\(ends[0])" : "\(ends[0]) to \(ends[1])"
        }
        let each = range([counts.min() ?? 0, counts.max() ?? 0])
        return [
            ["form", form],
            [
                "stored as",
                store + (size.map { ", shorter side at most \($0)" } ?? "")
                    + ", \(channels == 1 ? "grey" : "colour"), in \(shards) shard\(shards == 1 ? "" : "s")",
            ],
            ["resize", resize],
            ["pictures", Format.grouped(pictures)],
            ["sizes", "\(range(widths)) × \(range(heights)) pixels"],
            ["means", numbers(mean)], ["deviations", numbers(deviation)],
            [
                "classes",
                "\(classes.count), of \(each) pictures: "
                    + listed.joined(separator: ", ") + (classes.count > listed.count ? ", …" : ""),
            ],
            ["left out", tally(refused)], ["ignored", tally(ignored)],
        ]
    }
}

/// An artifact; if the artifact is a data set, also the summary of the data set.
struct ShownArtifact: Encodable {
    let document: ArtifactDocument
    let dataset: DatasetSummary?

    private enum CodingKeys: String, CodingKey {
        case dataset = "data_set"
    }

    /// Encodes the document's fields, and the data set's summary under `data_set`.
    func encode(to encoder: any Encoder) throws {
        try document.encode(to: encoder)
        guard let dataset else { return }
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode(dataset, forKey: .dataset)
    }
}
