// Lists of artifacts that are bounded, for pages: the newest artifacts, networks of devices, supernets with a predictor, and
// evaluations of a network.

import Postgres
import Schema

extension ArtifactStore {
    /// How many of the newest networks or predictors are looked at.
    private static let among = 5000

    /// Returns artifacts with the properties of their blobs but without metadata, newest first: those before the artifact
    /// `before`, or from the newest on, at most `most`. With `run` or `kind`, only artifacts of this run or kind.
    public func page(
        run: Int64? = nil, kind: String? = nil, before: ArtifactID? = nil, most: Int
    ) throws -> [Stored] {
        try connection.query(
            .artifactPage(run: run, kind: kind, before: before?.rawValue, most: most)
        ).map { try Stored($0) }
    }

    /// Returns the newest networks (kind `subnet`) that runs cut for `device`, newest run first, at most `most`. Only the
    /// newest 5,000 networks of all devices are looked at.
    public func networks(ofDevice device: String, most: Int) throws -> [Artifact] {
        try connection.query(
            .networksOfDevice(among: Self.among, device: device, most: most)
        ).map { try Artifact($0) }
    }

    /// Returns the newest network of each device, among the newest 5,000 networks.
    public func newestNetworks() throws -> [Artifact] {
        try connection.query(.newestNetworks(among: Self.among)).map { try Artifact($0) }
    }

    /// Returns the supernets on whose networks the newest 20 predictors that runs made were fitted, newest first.
    public func supernetsWithPredictor() throws -> [Artifact] {
        try connection.query(.supernetsWithPredictor(among: 20)).map { try Artifact($0) }
    }

    /// Returns the evaluations of the network that the search behind `network` chose, newest first, at most 10; none for a
    /// network that no attempt made.
    public func evaluations(of network: Artifact) throws -> [Artifact] {
        guard let token = network.producer?.token else { return [] }
        return try connection.query(.evaluationsOfNetwork(token: token, most: 10)).map {
            try Artifact($0)
        }
    }
}

extension ArtifactStore.Stored {
    /// Reads an artifact with the columns of its blob and its pin.
    init(_ row: Row) throws {
        artifact = try Artifact(row)
        let hasBlob = try row.optionalText("store") != nil
        blob =
            hasBlob
            ? try BlobInfo(row, digest: artifact.digest, createdAt: "blob_created_at") : nil
        pinned = try row.optionalText("pinned")
    }
}
