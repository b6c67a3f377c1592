// Locates test material outside the repository: parity fixtures (results of the original implementation) and published
// figures. Tests that need missing material are skipped with a message.
import Foundation

/// Finds the folders of parity fixtures and published figures.
public enum SharedFolders {
    /// The message of tests skipped without published figures.
    public static let publishedHint = "no published figures: set OFA_PUBLISHED to their folder"
    /// The message of tests skipped without fixtures.
    public static let fixturesHint =
        "no parity fixtures: set OFA_FIXTURES to their folders, separated by ':'"

    /// Returns the folder or file `name` of the published figures; nil if it does not exist. The figures are in
    /// `OFA_PUBLISHED`, or else in `../shared/published`, relative to the package.
    public static func published(_ name: String) -> URL? {
        let root =
            environment("OFA_PUBLISHED").map { URL(filePath: $0) }
            ?? shared.appending(path: "published")
        return existing(root.appending(path: name))
    }

    /// The existing folders of `OFA_FIXTURES`, a list separated by `:`. Without `OFA_FIXTURES`: the folders in
    /// `../shared/fixtures`, then the folders in `../shared/families`, each sorted by name.
    public static var fixtures: [URL] {
        if let named = environment("OFA_FIXTURES") {
            return named.split(separator: ":").map { URL(filePath: String($0)) }.compactMap(
                existing)
        }
        return ["fixtures", "families"].flatMap { folder in
            let root = shared.appending(path: folder)
            let all = FileManager.default.enumerator(atPath: root.path)?.allObjects
            let names = (all as? [String] ?? []).filter { !$0.contains("/") }
            return names.sorted().map { root.appending(path: $0) }
        }
    }

    /// The folder `../shared/images`, with pictures, data set files and an index of expected results; nil if it does
    /// not exist.
    public static var images: URL? { existing(shared.appending(path: "images")) }

    /// The message of tests skipped without checkpoints.
    public static let checkpointsHint = "no PyTorch files: set OFA_CHECKPOINTS to their folder"
    /// The folder of one supernet's weights in every PyTorch file format: `OFA_CHECKPOINTS`, or
    /// `../shared/checkpoints`; nil if it does not exist.
    public static var checkpoints: URL? {
        existing(
            environment("OFA_CHECKPOINTS").map { URL(filePath: $0) }
                ?? shared.appending(path: "checkpoints"))
    }

    private static var shared: URL {
        var package = URL(filePath: #filePath)
        for _ in 0..<3 { package.deleteLastPathComponent() }
        return package.deletingLastPathComponent().appending(path: "shared")
    }

    private static func environment(_ name: String) -> String? {
        ProcessInfo.processInfo.environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }

    private static func existing(_ url: URL) -> URL? {
        FileManager.default.fileExists(atPath: url.path) ? url : nil
    }
}
