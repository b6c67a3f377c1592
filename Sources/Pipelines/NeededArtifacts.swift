// The artifacts that unfinished runs may read; garbage collection keeps their bytes.

import Artifacts
import Foundation
import Jobs
import Postgres
import Schema

/// The artifacts that unfinished runs may read.
public enum NeededArtifacts {
    /// Returns the artifacts that the arguments of unfinished jobs name, and their ancestors, because a stage may read
    /// the inputs of its inputs.
    public static func ids(_ connection: Connection) throws -> [ArtifactID] {
        let store = ArtifactStore(connection), lineage = Lineage(connection)
        var names: Set<String> = []
        for row in try connection.query(.inputsOfUnfinished) {
            let inputs: [ArtifactRole: InputReference]
            do {
                inputs = try JSONDecoder().decode(
                    [ArtifactRole: InputReference].self, from: Data(try row.text("inputs").utf8))
            } catch is DecodingError {
                continue  // The job is another program's and names no artifacts.
            }
            for case .artifact(let name) in inputs.values { names.insert(name) }
        }
        var ids: Set<ArtifactID> = []
        for name in names {
            let artifact: Artifact
            do { artifact = try store.find(name) } catch let error as ArtifactsError
                where [.notFound, .ambiguous].contains(error.code)
            {
                continue  // The stage that reads this artifact will report the error.
            }
            guard !ids.contains(artifact.id) else { continue }
            ids.formUnion(try lineage.up(artifact.id, limit: 1_000_000).artifacts.map(\.id))
        }
        return ids.sorted()
    }
}
