// The image sizes of `--resolutions`, as searches, predictors and devices read them.

import ArgumentParser
import Foundation
import Intake

/// Sizes of images written with commas between them.
enum ImageSizes {
    /// The sizes in `text`, nil where none is given; refuses what are no sizes.
    static func read(_ text: String?) throws -> [Int]? {
        guard let text else { return nil }
        do {
            return try text.split(separator: ",", omittingEmptySubsequences: false).map {
                try DecimalNumber.whole($0.trimmingCharacters(in: .whitespaces), in: 1...4096)
            }
        } catch let error as InputFault {
            throw ValidationError(
                "--resolutions is '\(Shown.excerpt(text))'; write image sizes such as 160,176,192: one \(error.reason)"
            )
        }
    }
}
