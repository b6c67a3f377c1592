// Why a stage that is run again may make other bytes than at first.
import Artifacts
import Tensors
import TestSupport
import Testing

@testable import Pipelines

@Suite struct HealingTests {
    @Test("the engine that made an artifact is compared with the one that made it again")
    func difference() throws {
        let database = try TemporaryDatabase()
        let connection = try database.connect()
        let store = ArtifactStore(connection)
        var count = 0
        func artifact(_ metadata: String) throws -> Artifact {
            count += 1
            return try store.get(
                try store.insert(
                    Artifact.New(
                        broughtAs: ArtifactRole.predictor.rawValue, name: "p\(count)",
                        digest: BlobStore(connection).put([UInt8(count)], elementSize: 1),
                        metadataJSON: metadata)))
        }
        let haswell = try artifact(#"{"blasCore":"Haswell"}"#)
        let skylake = try artifact(#"{"blasCore":"SkylakeX"}"#)
        #expect(
            try Healing.difference(haswell, from: skylake)
                == "BLAS core Haswell then, SkylakeX now")
        #expect(try Healing.difference(haswell, from: haswell) == nil)
        #expect(try Healing.difference(try artifact("{}"), from: haswell) == nil)
        let trained = try artifact(
            #"""
            {"instructionSet":"avx2","blasCore":"Haswell","threads":2,"segments":[
             {"from":0,"to":3,"instructionSet":"avx512","blasCore":"Haswell","threads":2},
             {"from":3,"to":9,"instructionSet":"avx2","blasCore":"Haswell","threads":2}]}
            """#)
        let again = try artifact(
            #"{"instructionSet":"avx512","blasCore":"Haswell","threads":4}"#)
        #expect(
            try Healing.difference(trained, from: again)
                == "instruction set avx2 then, avx512 now; threads 2 then, 4 now;"
                + " it was trained in 2 parts on different engines")
    }
}
