// The part of an artifact's page that depends on its kind: data sets, tables of latencies, predictors and evaluations.
// NetworkContents has networks.

import Artifacts
import Charts
import Devices
import Foundation
import Pipelines
import Search

extension ArtifactView {
    /// Returns the sections about what the artifact holds; bytes that cannot be read are said in their place.
    func contents() throws -> HTML {
        switch ArtifactRole(rawValue: artifact.kind) {
        case .dataset, .testImages: try section("Pictures", "pictures", needsBytes: true, pictures)
        case .subnet: try network()
        case .latencyTable, .energyTable:
            try section("Entries", "entries", needsBytes: true) {
                try TableParts.entries(
                    of: artifact, isEnergy: artifact.kind == ArtifactRole.energyTable.rawValue,
                    connection)
            }
        case .predictor: try section("Quality", "quality", needsBytes: true, predictor)
        case .evaluation: try section("Predictions by class", "classes", needsBytes: true, classes)
        default: .empty
        }
    }

    /// Returns a section, or why its content cannot be read.
    func section(
        _ title: String, _ id: String, needsBytes: Bool, _ make: () throws -> HTML
    ) throws -> HTML {
        guard !needsBytes || isStored else {
            return Parts.section(
                title, id: id, PageParts.note("The bytes are not here, so this cannot be shown."))
        }
        return Parts.section(title, id: id, try PageParts.readable(make))
    }

    // MARK: Data sets

    private func pictures() throws -> HTML {
        let data = try DatasetSummary(
            reading: artifact, connection, cache: PageFiles.cache)
        func range(_ ends: [Int]) -> String {
            ends[0] == ends[1] ? "\(ends[0])" : "\(ends[0]) to \(ends[1])"
        }
        func tally(_ counts: [String: Int]) -> String {
            counts.isEmpty
                ? "none"
                : counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map {
                    "\(ReportText.grouped($0.value)) × \($0.key)"
                }.joined(separator: ", ")
        }
        let most = 200
        let rows = data.classes.prefix(most).map { one -> [HTML] in
            ["\(one.label)", "\(one.name)", "\(ReportText.grouped(one.pictures))"]
        }
        let sheet = "\(path)/sheet.png?digest=\(artifact.digest.short)"
        return """
            \(Parts.list([
                ("pictures", "\(ReportText.grouped(data.pictures))"),
                ("classes", "\(data.classes.count)"),
                ("form", "\(data.form), stored as \(data.store)"),
                (
                    "size",
                    "\(range(data.widths)) × \(range(data.heights)) pixels, \(data.channels == 1 ? "grey" : "colour")"
                ),
                ("mean, deviation", "\(numbers(data.mean)); \(numbers(data.deviation))"),
                ("left out", "\(tally(data.refused))"),
            ]))
            <h3>Contact sheet</h3>
            <p><a href="\(sheet)"><img src="\(sheet)" loading="lazy" alt="Some pictures of each class: the rows are the classes in \
            their order, in one or more columns."></a></p>
            <details id="class-list"><summary>\(data.classes.count) classes</summary>
            \(Parts.table(
                "Classes and their numbers of pictures",
                [.number("Class"), .text("Name"), .number("Pictures")], rows))\
            \(data.classes.count > most ? PageParts.note("Only the first \(most) classes are listed.") : .empty)\
            </details>

            """
    }

    private func numbers(_ values: [Float]) -> String {
        values.map { PageParts.decimal(Double($0), 4) }.joined(separator: ", ")
    }

    // MARK: Predictors

    private func predictor() throws -> HTML {
        let predictor = try AccuracyPredictor(
            bytes: try BlobStore(connection).get(artifact.digest),
            source: "artifact \(artifact.id)")
        var facts: [(name: String, value: HTML)] = [
            ("method", "\(predictor.methodName)"), ("space", "\(predictor.space)"),
            (
                "image sizes",
                "\(predictor.fittedResolutions.map(String.init).joined(separator: ", "))"
            ), ("predicts", "accuracies in \(predictor.bits == 8 ? "eight bits" : "floats")"),
        ]
        guard let quality = predictor.quality else {
            return """
                \(Parts.list(facts))\
                \(PageParts.note("No quality is recorded: the predictor was not fitted here."))
                """
        }
        func points(_ share: Double) -> HTML {
            "\(PageParts.decimal(100 * share, 3)) percentage points"
        }
        facts += [
            ("fitted on", "\(ReportText.grouped(quality.rows)) networks"),
            ("checked on", "\(ReportText.grouped(quality.heldOut)) held-out networks"),
            ("root mean square error", points(quality.rmse)),
            ("mean absolute error", points(quality.mae)),
            ("mean of predicted − measured", points(quality.offset)),
            ("rank correlation, Spearman", "\(PageParts.decimal(quality.spearman, 4))"),
            ("rank correlation, Kendall", "\(PageParts.decimal(quality.kendall, 4))"),
        ]
        return Parts.list(facts)
    }

    // MARK: Evaluations

    private func classes() throws -> HTML {
        let recorded = try ConfusionRecord.all(of: artifact, connection)
        guard !recorded.isEmpty else { return ConfusionParts.none }
        let most = 6
        let parts = recorded.prefix(most).enumerated().map { place, one -> HTML in
            """
            <h3>\(one.name)</h3>
            \(ConfusionParts.show(
                ConfusionRecord(artifact: artifact.id, confusion: one.confusion), names: [],
                of: one.name, id: "confusion-\(place)"))
            """
        }
        return """
            \(parts)\
            \(recorded.count > most
                ? PageParts.note("Only the first \(most) of \(recorded.count) networks are shown.")
                : .empty)
            """
    }
}
