// A folder of a test's own, and bytes as real tools would write them.
import Foundation

/// A folder that exists while a test runs.
final class Scratch {
    let folder = FileManager.default.temporaryDirectory.appending(
        path: "datasets-\(UUID().uuidString)")

    init() throws {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    deinit {
        do {
            try FileManager.default.removeItem(at: folder)
        } catch {
            print("cannot remove \(folder.path): \(error)")
        }
    }

    /// Writes a file, whose name may begin with a folder, and returns its path.
    func file(_ name: String, _ bytes: [UInt8]) throws -> String {
        let url = folder.appending(path: name)
        try FileManager.default.createDirectory(
            at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(bytes).write(to: url)
        return url.path
    }

    /// Compresses with the system's gzip.
    func gzip(_ name: String, _ bytes: [UInt8]) throws -> String {
        let plain = try file(name, bytes)
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["gzip", "-n", "-f", plain]
        try process.run()
        process.waitUntilExit()
        return plain + ".gz"
    }

    /// IDX bytes of these dimensions.
    static func idx(_ dimensions: [Int], _ values: [UInt8]) -> [UInt8] {
        [0, 0, 8, UInt8(dimensions.count)]
            + dimensions.flatMap { extent in
                (0..<4).reversed().map { UInt8(truncatingIfNeeded: extent >> (8 * $0)) }
            }
            + values
    }
}

/// The folder of the real Fashion-MNIST files: `OFA_FASHION_MNIST`, or where the Debian package
/// puts them.
let fashionFolder: String? = {
    let named = ProcessInfo.processInfo.environment["OFA_FASHION_MNIST"]
    let folder = named ?? "/usr/share/datasets/fashion-mnist"
    return FileManager.default.fileExists(atPath: folder) ? folder : nil
}()
