// The file that a user-supplied artifact was read from, in the artifact's metadata under the key `source`.

import Intake

/// The file of another program that an artifact was read from.
public struct ArtifactSource: Codable, Sendable, Equatable {
    /// The file's name, without its folder.
    public let file: String
    /// The SHA-256 of the file, in hexadecimal.
    public let sha256: String
    /// The file's size.
    public let bytes: Int

    /// Describes the file called `file` with these bytes.
    public init(file: String, bytes: [UInt8]) {
        self.file = file
        self.bytes = bytes.count
        sha256 = Digest.of(bytes).hex
    }
}

extension Artifact {
    /// Where an artifact without producer comes from, in words: its file, if the metadata record one.
    public var origin: String {
        do throws(InputFault) {
            let source = try JSONNode(metadataJSON, .result)["source"]
            guard case .text(let file) = source?["file"], case .text(let digest) = source?["sha256"]
            else { return "user-supplied" }
            return "user-supplied, from \(file), SHA-256 \(digest)"
        } catch { return "user-supplied" }
    }
}
