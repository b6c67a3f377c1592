// ArtifactFiles: downloads of an artifact, and the pictures of its page. Bytes are verified before the first of them is sent.

import Artifacts
import Datasets
import Foundation
import Intake
import Pipelines
import Postgres

/// Files about artifacts.
enum ArtifactFiles {
    /// Sends the decoded bytes, piece by piece. They are first written to a file that no other program sees and compared
    /// with their digest: so a download that begins is whole.
    static func download(_ request: PageRequest, _ connection: Connection) throws -> WebResponse {
        let artifact = try ArtifactView.artifact(request, connection)
        let file = try HiddenFile()
        try BlobStore(connection).read(artifact.digest) { try file.append($0) }
        let count = try file.rewind()
        return WebResponse(
            200,
            headers: [
                "Content-Type": "application/octet-stream",
                "Content-Disposition": disposition(artifact, "bin"),
                "ETag": "\"\(artifact.digest.hex)\"",
            ], body: .pieces(count: count, next: { try file.next() }))
    }

    /// Sends a network as ONNX with float weights, as `ofa export` writes it.
    static func onnx(_ request: PageRequest, _ connection: Connection) throws -> WebResponse {
        let artifact = try ArtifactView.artifact(request, connection)
        guard artifact.kind == ArtifactRole.subnet.rawValue else {
            throw DashboardError(
                .notFound, "artifact \(artifact.id) is a \(artifact.kind), not a network")
        }
        let bytes = try readable {
            try NetworkExport.bytes(
                of: StoredNetwork(artifact, connection, cache: PageFiles.cache), .onnx)
        }
        return WebResponse(
            200,
            headers: [
                "Content-Type": "application/octet-stream",
                "Content-Disposition": disposition(artifact, "onnx", always: true),
            ], body: .bytes(Data(bytes)))
    }

    /// Sends the contact sheet of a data set, as `ofa dataset show -o` writes it.
    static func sheet(_ request: PageRequest, _ connection: Connection) throws -> WebResponse {
        let artifact = try ArtifactView.artifact(request, connection)
        guard ImportedImages.isOfImages(artifact) else {
            throw DashboardError(
                .notFound, "artifact \(artifact.id) is a \(artifact.kind), not a data set")
        }
        let png = try readable {
            let source = try ImportedImages.open(artifact, connection, cache: PageFiles.cache)
            return try ContactSheet.usual(source).png(source)
        }
        var headers = ["Content-Type": "image/png"]
        // The address has the digest, so these bytes stay the same.
        if request.query["digest"] == artifact.digest.short {
            headers["Cache-Control"] = "private, max-age=86400"
        }
        return WebResponse(200, headers: headers, body: .bytes(Data(png)))
    }

    /// Sends the lineage as a picture.
    static func lineage(_ request: PageRequest, _ connection: Connection) throws -> WebResponse {
        let artifact = try ArtifactView.artifact(request, connection)
        let graph = try Lineage(connection).graph(
            .both, of: [artifact.id],
            Lineage.Scope(
                limit: 200, hidden: ArtifactRole.datasetShard.rawValue, isDetailed: false))
        return WebResponse(
            200,
            headers: [
                "Content-Type": "image/svg+xml",
                "Content-Disposition": "attachment; filename=\"lineage-\(artifact.id).svg\"",
            ], body: .bytes(Data(graph.svg().utf8)))
    }

    /// Runs `body`. What it cannot read is an error of what was asked for (`form`), not of the server.
    private static func readable<Value>(_ body: () throws -> Value) throws -> Value {
        do { return try body() } catch let error as PostgresError {
            throw error
        } catch let error as any Remedied {
            throw DashboardError(.form, error.reason, remedy: error.remedy)
        }
    }

    /// Returns the header field with the name of the saved file: the artifact's name with every character that is special
    /// somewhere replaced, and its number. `suffix` follows a name without one, or with `always` any name.
    static func disposition(_ artifact: Artifact, _ suffix: String, always: Bool = false) -> String
    {
        let safe = String(
            artifact.name.unicodeScalars.prefix(80).map { scalar -> Character in
                let isPlain =
                    ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar)
                    || ("0"..."9").contains(scalar) || scalar == "-" || scalar == "_"
                return isPlain ? Character(scalar) : "-"
            })
        let kind = always ? suffix : extensions[artifact.kind] ?? suffix
        return "attachment; filename=\"\(safe)-\(artifact.id).\(kind)\""
    }

    private static let extensions = [
        ArtifactRole.subnet.rawValue: "safetensors", ArtifactRole.supernet.rawValue: "safetensors",
        ArtifactRole.latencyTable.rawValue: "json", ArtifactRole.energyTable.rawValue: "json",
        ArtifactRole.choice.rawValue: "json", ArtifactRole.evaluation.rawValue: "json",
        ArtifactRole.report.rawValue: "html", ArtifactRole.calibrationPlot.rawValue: "svg",
    ]
}

/// A file without a name, for bytes that are checked before they are sent. The system frees it when it is closed.
final class HiddenFile: Sendable {
    private let handle: FileHandle
    private static let piece = 256 << 10

    /// Makes an empty file in the folder for temporary files. Errors: `setting` if it cannot be made.
    init() throws {
        let folder = FileManager.default.temporaryDirectory.path
        let path = folder + "/ofa-download-\(UUID().uuidString)"
        let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw DashboardError(
                .setting, "no file can be made in \(folder): \(String(cString: strerror(errno)))")
        }
        unlink(path)
        handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    }

    /// Appends bytes.
    func append(_ bytes: [UInt8]) throws { try handle.write(contentsOf: bytes) }

    /// Goes to the first byte; returns the number of bytes.
    func rewind() throws -> Int {
        let count = try handle.offset()
        try handle.seek(toOffset: 0)
        return Int(count)
    }

    /// Returns the next bytes; nil at the end.
    func next() throws -> Data? {
        guard let data = try handle.read(upToCount: Self.piece), !data.isEmpty else { return nil }
        return data
    }
}
