// The image sizes of `--resolutions`, as searches, predictors and devices read them.

import ArgumentParser
import Foundation

/// Sizes of images written with commas between them.
enum ImageSizes {
    /// The sizes in `text`, nil where none is given; refuses what are no sizes.
    static func read(_ text: String?) throws -> [Int]? {
        guard let text else { return nil }
        let sizes = text.split(separator: ",").map {
            Int($0.trimmingCharacters(in: .whitespaces)) ?? 0
        }
        guard !sizes.isEmpty, sizes.allSatisfy({ (1...4096).contains($0) }) else {
            throw ValidationError(
                "--resolutions is '\(text)'; write image sizes such as 160,176,192")
        }
        return sizes
    }
}
