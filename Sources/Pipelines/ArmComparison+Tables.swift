// The tables of a comparison of ways of training, for the terminal and for the page.

import Foundation

extension ArmComparison {
    /// A table with a row for each arm.
    public struct Table: Sendable, Equatable {
        /// What the table shows.
        public let title: String
        /// The titles of the columns: the arm, its figures, and the networks.
        public let head: [String]
        /// The number of the columns before those of the networks.
        public let figures: Int
        /// The rows.
        public let rows: [[String]]
        /// Sentences about the table.
        public let note: String
    }

    /// The accuracies on test images with what the training took, those on held-out images, and the differences to the
    /// first arm.
    public var tables: [Table] {
        var tables = [testTable]
        if let heldOutImages { tables.append(heldOutTable(heldOutImages)) }
        if arms.contains(where: { $0.cells.contains { $0?.difference != nil } }) {
            tables.append(differenceTable)
        }
        return tables
    }

    private var names: [String] { networks.map(\.name) }

    private var testTable: Table {
        let head = ["Arm", "Net-epochs", "Steps", "CPU h", "kJ", "Seeds"]
        let rows = arms.map { arm in
            [
                arm.name, arm.netEpochs.map { ReportText.decimal($0, 2) } ?? "",
                arm.steps.map(ReportText.grouped) ?? "",
                arm.cost.map { ReportText.decimal($0.cpuSeconds / 3600, 2) } ?? "",
                arm.cost?.joules.map { ReportText.decimal($0 / 1000, 1) } ?? "",
                arm.wholeSeeds == seeds.count
                    ? "\(seeds.count)" : "\(arm.wholeSeeds) of \(seeds.count)",
            ] + arm.cells.map { text($0?.test) }
        }
        let error = 100 * (0.93 * 0.07 / Double(max(testImages, 1))).squareRoot()
        let note =
            "Top-1 accuracy on \(ReportText.grouped(testImages)) test images, in percent: \(spread)."
            + missing
            + " The sampling error of the images is about \(ReportText.decimal(error, 2)) points at 93 %. All arms share the"
            + " images, the division into training and held-out images, and a seed's initial weights, so their spreads do not"
            + " say whether they differ."
            + " Net-epochs are passes over the training images, summed over the networks of a step; forward passes of a"
            + " teacher do not count. Steps, processor hours and energy are those of one seed's training in all phases;"
            + " a phase that two arms share counts for both."
        return Table(
            title: "Test images", head: head + names, figures: head.count, rows: rows, note: note)
    }

    private func heldOutTable(_ images: Int) -> Table {
        Table(
            title: "Held-out images", head: ["Arm"] + names, figures: 1,
            rows: arms.map { arm in [arm.name] + arm.cells.map { text($0?.heldOut) } },
            note:
                "Top-1 accuracy on \(ReportText.grouped(images)) held-out images, in percent: \(spread). Settings are chosen"
                + " by these, not by test images.")
    }

    private var differenceTable: Table {
        Table(
            title: "Differences", head: ["Arm"] + names, figures: 1,
            rows: arms.dropFirst().map { arm in
                [arm.name]
                    + arm.cells.map { text($0?.difference) { ReportText.signed($0, 2) } }
            },
            note:
                "Test accuracy minus that of “\(arms[0].name)” with the same seed, in points: \(spread)."
                + missing)
    }

    /// Returns mean and deviation in percent, marked if values are missing.
    private func text(
        _ spread: Spread?, _ number: (Double) -> String = { ReportText.decimal($0, 2) }
    ) -> String {
        guard let spread else { return "" }
        let deviation = spread.deviation.map { " ± " + ReportText.decimal(100 * $0, 2) } ?? ""
        let count = spread.known.count
        return number(100 * spread.mean) + deviation + (count < seeds.count ? " (\(count))" : "")
    }

    private var spread: String {
        guard seeds.count > 1 else { return "of one seed" }
        let own = 100 / (2 * Double(seeds.count - 1)).squareRoot()
        return
            "mean ± sample standard deviation over \(seeds.count) seeds, which is itself uncertain by about"
            + " \(ReportText.decimal(own, 0)) % of it"
    }

    /// A sentence about values that are missing; empty if none is.
    private var missing: String {
        let isWhole = arms.allSatisfy { $0.wholeSeeds == seeds.count }
        return isWhole
            ? "" : " A number in brackets is that of the seeds with a value, where some have none."
    }
}
