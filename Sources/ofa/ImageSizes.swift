// The image sizes of `--resolutions`, as searches, predictors and devices read them.

import ArgumentParser
import Foundation
import Intake
import Networks

/// Sizes of images written with commas between them.
enum ImageSizes {
    /// The sizes in `text` in their order, nil where none is given; refuses what are no sizes and one said twice.
    static func read(_ text: String?) throws -> [Int]? {
        guard let text else { return nil }
        var sizes: [Int] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            do {
                let word = part.trimmingCharacters(in: .whitespaces)
                let size = try DecimalNumber.whole(word, in: 1...4096)
                guard !sizes.contains(size) else { throw InputFault("names \(size) twice") }
                sizes.append(size)
            } catch {
                throw ValidationError(
                    "--resolutions is '\(Shown.excerpt(text))'",
                    remedy: "write image sizes such as 160,176,192: one \(error)")
            }
        }
        return sizes
    }

    /// The same for networks of `space`; refuses sizes that it has not.
    static func read(_ text: String?, of space: SearchSpace) throws -> [Int]? {
        let sizes = try read(text)
        try space.checkResolutions(sizes ?? [])
        return sizes
    }
}
