// Runs whose networks tell named classes apart, and copies of their artifacts as older versions, damage or divergence
// leave them.
import Artifacts
import Datasets
import Foundation
import Interchange
import Networks
import Postgres
import Testing

@testable import Pipelines

extension CommandPlace {
    /// The names of the pictures' classes in the order of their labels, with characters of markup, JSON and Markdown.
    static let classNames = [
        "a <b>", "b & w", "c \"q\"", "d\\x", "e*f|g", "f", "g", "h", "i", "j",
    ]

    /// Returns a place where the quick pipeline has run on pictures of `classNames`: all stages if `whole` is true,
    /// otherwise the stages up to the supernet, and its smallest network.
    static func withPictures(whole: Bool = false) throws -> CommandPlace {
        let place = try CommandPlace(images: true)
        try place.writePictures(classNames, train: 30, test: 10, in: "pictures")
        let text = tiny.replacing("folder: DATA", with: "folder: pictures")
        try place.write(whole ? text : text.components(separatedBy: "  accuracy:")[0] + smallest)
        let run = try place.ofa("run", "tiny.yaml")
        try #require(run.status == 0, "\(run.errors)")
        return place
    }

    private static let smallest = """
          smallest:
            kind: materialise
            needs: [full]
            network: smallest
            calibration_images: 64

        """

    /// Writes grey PNG files of 28 x 28 pixels, `train` and `test` of each class, into `folder`. A class is a bright
    /// band over noise.
    func writePictures(_ classes: [String], train: Int, test: Int, in folder: String) throws {
        var state: UInt32 = 7
        for (part, count) in [("train", train), ("test", test)] {
            for (label, name) in classes.enumerated() {
                let target = self.folder.appending(path: folder).appending(path: part)
                    .appending(path: name)
                try FileManager.default.createDirectory(
                    at: target, withIntermediateDirectories: true)
                for number in 0..<count {
                    let pixels = (0..<784).map { place -> UInt8 in
                        state = state &* 1_664_525 &+ 1_013_904_223
                        return UInt8(state >> 26) + (place / 79 == label ? 150 : 0)
                    }
                    let png = try PictureEncoder.png(pixels, width: 28, height: 28, channels: 1)
                    try Data(png).write(to: target.appending(path: "\(number).png"))
                }
            }
        }
    }

    /// The artifact called `name`.
    func artifact(_ name: String) throws -> Artifact {
        try ArtifactStore(try database.connect()).find(name)
    }

    /// The figures of the network `name`.
    func figures(_ name: String) throws -> NetworkFigures {
        try JSONText.decode(
            NetworkFigures.self, from: try artifact(name).metadataJSON, what: name)
    }

    /// The bytes of a file of the place.
    func bytes(_ file: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: folder.appending(path: file)))
    }

    /// The origin of a copied artifact.
    enum Origin {
        /// The attempt that made the original.
        case sameAttempt
        /// An attempt of the same job that read these artifacts.
        case attempt([Artifact.Input])
        /// A user supplied the artifact.
        case user
    }

    /// Records a copy of the artifact `name` as `new`, with changed metadata and changed bytes; returns its number.
    @discardableResult
    func copy(
        _ name: String, as new: String, from origin: Origin = .sameAttempt,
        metadata: (inout [String: Any]) -> Void = { _ in },
        bytes: (([UInt8]) throws -> [UInt8])? = nil
    ) throws -> ArtifactID {
        let connection = try database.connect(), store = ArtifactStore(connection)
        let blobs = BlobStore(connection), original = try store.find(name)
        var fields = try #require(
            JSONSerialization.jsonObject(with: Data(original.metadataJSON.utf8)) as? [String: Any])
        metadata(&fields)
        let digest =
            try bytes.map {
                try blobs.put(
                    try $0(try blobs.get(original.digest)), elementSize: 4, kind: original.kind)
            } ?? original.digest
        let json = String(
            decoding: try JSONSerialization.data(withJSONObject: fields), as: UTF8.self)
        var artifact = Artifact.New(
            broughtAs: original.kind, name: new, digest: digest, metadataJSON: json)
        switch origin {
        case .user: return try store.insert(artifact)
        case .sameAttempt:
            artifact.producer = original.producer
            return try store.insert(artifact)
        case .attempt(let inputs):
            let producer = try #require(original.producer)
            artifact.producer = Artifact.Producer(
                run: producer.run, job: producer.job,
                token: 1_000_000 + Int64(try store.list().count), stage: producer.stage)
            return try store.insert(artifact, inputs: inputs)
        }
    }

    /// Records a copy of the network `name` with changed tensors and texts of its file.
    @discardableResult
    func copy(
        _ name: String, as new: String, from origin: Origin = .sameAttempt,
        metadata: (inout [String: Any]) -> Void = { _ in },
        file change: @escaping (inout SafetensorsFile) throws -> Void
    ) throws -> ArtifactID {
        try copy(
            name, as: new, from: origin, metadata: metadata,
            bytes: { bytes in
                var file = try Safetensors.decode(bytes: bytes)
                try change(&file)
                return try Safetensors.encode(file)
            })
    }

    /// Records a copy of the network `name` whose classifier has NaN weights.
    @discardableResult
    func copyWithNaN(_ name: String, as new: String) throws -> ArtifactID {
        try copy(
            name, as: new,
            file: { file in
                let names = file.tensors.keys.filter { $0.hasPrefix("classifier") }
                try #require(!names.isEmpty)
                for name in names {
                    let count = file.tensors[name]?.values.count ?? 0
                    file.tensors[name]?.values = Array(repeating: .nan, count: count)
                }
            })
    }
}
