// Parses the image sizes of `--resolutions`.

import ArgumentParser
import Foundation
import Intake
import Networks

/// Image sizes separated by commas.
enum ImageSizes {
    /// Returns the sizes in `text` in order; nil if `text` is nil. Throws `ValidationError` for invalid or repeated
    /// sizes.
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

    /// Returns the sizes in `text` as `read(_:)` does. Also throws for sizes that `space` lacks.
    static func read(_ text: String?, of space: SearchSpace) throws -> [Int]? {
        let sizes = try read(text)
        try space.checkResolutions(sizes ?? [])
        return sizes
    }
}
