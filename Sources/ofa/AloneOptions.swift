// The options that name networks which were trained alone, for break-even and comparison.

import Accounting
import ArgumentParser
import Foundation
import Intake

/// The stages that trained networks alone.
struct AloneOptions: ParsableArguments {
    /// The beginnings of the names of the stages, separated by commas.
    @Option(
        help: ArgumentHelp(
            "Only the stages of that run whose names begin so, separated by commas, such as alone-.",
            valueName: "names"))
    var aloneStages: String?
    /// The number of networks; nil for one in each training stage.
    @Option(
        help: ArgumentHelp(
            "How many networks these stages trained; by default one in each training stage.",
            valueName: "n"), transform: Number.whole(1...1_000_000))
    var networks: Int?

    /// Whether any option is given.
    var isGiven: Bool { aloneStages != nil || networks != nil }

    /// Returns the stages in the run `text`, which is the value of `--alone`. If the run is `run`, the names of the
    /// stages must be given.
    func stages(of text: String, besides run: Int64) throws -> MeasuredSavings.Alone {
        let number: Int
        do throws(InputFault) { number = try DecimalNumber.whole(text, in: 1...Int.max) } catch {
            throw ValidationError(
                "--alone \(Shown.excerpt(text)): the run \(error.reason)", remedy: error.remedy)
        }
        let prefixes = (aloneStages ?? "").split(separator: ",").map {
            $0.trimmingCharacters(in: .whitespaces)
        }.filter { !$0.isEmpty }
        guard Int64(number) != run || !prefixes.isEmpty else {
            throw ValidationError(
                "--alone names the run itself",
                remedy: "say which of its stages trained networks alone, with --alone-stages")
        }
        return MeasuredSavings.Alone(
            run: Int64(number), prefixes: prefixes, networks: networks)
    }
}
