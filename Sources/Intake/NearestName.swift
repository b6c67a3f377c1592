// Suggestions for an unknown name: the known name that was probably meant.

import Foundation

/// Finds the known name nearest to a mistyped name.
public enum NearestName {
    /// Returns the name in `known` that is nearest to `word`. The distance is the number of
    /// insertions, deletions, replacements and swaps of neighbouring characters (optimal string
    /// alignment). Upper and lower case count as equal, and so do `-` and `_`. Nil if more than a
    /// third of the characters differ (for short words: more than one).
    public static func find(_ word: String, among known: some Sequence<String>) -> String? {
        let wanted = plain(word)
        guard !wanted.isEmpty, wanted.count <= 64 else { return nil }
        var best: (distance: Int, name: String)?
        for name in known {
            let other = plain(name)
            guard abs(other.count - wanted.count) <= wanted.count / 3 + 1 else { continue }
            let distance = distance(wanted, other)
            guard distance <= max(1, wanted.count / 3) else { continue }
            if best.map({ (distance, name) < ($0.distance, $0.name) }) ?? true {
                best = (distance, name)
            }
        }
        return best?.name
    }

    /// Returns a remedy such as `did you mean 'learning_rate'?`; nil if no name is near.
    public static func remedy(_ word: String, among known: some Sequence<String>) -> String? {
        find(word, among: known).map { "did you mean '\($0)'?" }
    }

    /// Returns a remedy such as `did you mean 'b'? known are a, b`, or `known are a, b` if no name
    /// is near.
    public static func remedy(_ word: String, known: [String]) -> String {
        (remedy(word, among: known).map { $0 + " " } ?? "")
            + "known are \(known.isEmpty ? "none" : known.joined(separator: ", "))"
    }

    private static func plain(_ text: String) -> [Character] {
        Array(text.lowercased().replacingOccurrences(of: "_", with: "-"))
    }

    private static func distance(_ a: [Character], _ b: [Character]) -> Int {
        var before = [Int](), previous = Array(0...b.count)
        for i in a.indices {
            var row = [i + 1]
            row.reserveCapacity(b.count + 1)
            for j in b.indices {
                var least = min(
                    previous[j + 1] + 1, row[j] + 1, previous[j] + (a[i] == b[j] ? 0 : 1))
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
                    least = min(least, before[j - 1] + 1)
                }
                row.append(least)
            }
            (before, previous) = (previous, row)
        }
        return previous[b.count]
    }
}
