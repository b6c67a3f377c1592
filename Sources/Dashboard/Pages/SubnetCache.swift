// SubnetCache: the sampled subnets that pages showed last, with their costs.

import Artifacts
import Pipelines
import Postgres
import Synchronization

/// The sampled subnets of the artifacts that pages showed last. An artifact never changes, and counting the costs of a
/// thousand subnets takes longer than a live page may.
final class SubnetCache: Sendable {
    /// The cache of this process.
    static let shared = SubnetCache()

    private let known = Mutex<[(digest: Digest, id: ArtifactID, subnets: SampledSubnets?)]>([])
    private static let most = 16

    /// Returns the subnets of an artifact; nil if it is of an older version. Errors: those of `SampledSubnets.init`.
    func subnets(_ artifact: Artifact, _ connection: Connection) throws -> SampledSubnets? {
        let found = known.withLock { known in
            known.first { $0.digest == artifact.digest && $0.id == artifact.id }
        }
        if let found { return found.subnets }
        let subnets = try SampledSubnets(artifact, over: connection)
        known.withLock { known in
            known.append((artifact.digest, artifact.id, subnets))
            if known.count > Self.most { known.removeFirst() }
        }
        return subnets
    }
}
