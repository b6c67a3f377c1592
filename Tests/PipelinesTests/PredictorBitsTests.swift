// Accuracies in eight bits and in floats: which predictor a search takes, and which it refuses.
import Artifacts
import Devices
import Networks
import Search
import TestSupport
import Testing

@testable import Pipelines

@Suite struct PredictorBitsTests {
    /// The small pipeline with accuracies in `bits` bits and a search for a device of eight bits.
    private static func pipeline(_ replacements: [(String, String)]) throws -> PipelineDefinition {
        var text = SmallPipeline.good
        for (old, new) in replacements {
            #expect(text.contains(old), "\(old)")
            text = text.replacing(old, with: new)
        }
        return try SmallPipeline.read(text)
    }

    private static let eight = (
        "{kind: sample-accuracy, needs: [kernel]}",
        "{kind: sample-accuracy, needs: [kernel], bits: 8}"
    )
    private static let board = ("box: {kind: phone,", "box: {kind: microcontroller,")

    @Test("bits are read where networks are measured, fitted and searched")
    func keys() throws {
        let definition = try Self.pipeline([
            Self.eight, Self.board, ("kind: fit-predictor,", "kind: fit-predictor, bits: 8,"),
            ("{kind: search,", "{kind: search, bits: 8,"),
        ])
        func parameters(_ stage: String) -> StageParameters? {
            definition.stages.first { $0.name == stage }?.parameters
        }
        guard case .sampleAccuracy(let sampling) = parameters("accuracy"),
            case .fitPredictor(let fit) = parameters("predictor"),
            case .search(let search) = parameters("search")
        else {
            Issue.record("the stages have other kinds")
            return
        }
        #expect(sampling.bits == 8 && fit.bits == 8 && search.bits == 8)
        // Floats are what older versions stored: nothing.
        let floats = try Self.pipeline([(Self.eight.0, Self.eight.1.replacing("8}", with: "32}"))])
        guard
            case .sampleAccuracy(let plain) = floats.stages.first(where: { $0.name == "accuracy" })?
                .parameters
        else {
            Issue.record("the stage has another kind")
            return
        }
        #expect(plain.bits == nil)
        // A float predictor serves a device of eight bits.
        _ = try Self.pipeline([Self.board])
    }

    @Test("bits that do not go together are refused before anything is enqueued")
    func refused() throws {
        for (replacements, code, words) in [
            (
                [Self.eight], PipelineError.Code.mismatch,
                "device names box, which computes in floats"
            ),
            (
                [Self.board, ("{kind: search,", "{kind: search, bits: 8,")], .mismatch,
                "search.bits is 8, and accuracy measures in 32 bits"
            ),
            (
                [Self.eight, Self.board, ("{kind: search,", "{kind: search, bits: 32,")], .mismatch,
                "search.bits is 32, and accuracy measures in 8 bits"
            ),
            (
                [Self.eight, ("{kind: search,", "{kind: search, bits: 8,")], .mismatch,
                "bits is 8, and device box computes in floats"
            ),
            (
                [("kind: fit-predictor,", "kind: fit-predictor, bits: 8,")], .mismatch,
                "predictor.bits is 8, and accuracy measures in 32 bits"
            ),
            (
                [(Self.eight.0, Self.eight.1.replacing("8}", with: "16}"))], .invalidValue,
                "bits is 16; networks are measured in 8 bits, or in 32: floats"
            ),
        ] {
            let error = #expect(throws: PipelineError.self) { try Self.pipeline(replacements) }
            #expect(
                error?.code == code && error?.message.contains(words) == true,
                "\(words): \(error?.message ?? "")")
        }
    }

    @Test("a predictor of accuracies in eight bits is refused by a search for a device of floats")
    func search() throws {
        let database = try TemporaryDatabase()
        let connection = try database.connect()
        let space = SearchSpace.fashion
        let inputs =
            space.layerCount * (space.kernelSizes.count + space.expandRatios.count)
            + space.resolutions.count
        var predictor = try AccuracyPredictor(
            stateDict: [
                "fc.weight": ([1, inputs], Array(repeating: 0, count: inputs)),
                "fc.bias": ([1], [0.75]),
            ], space: space, source: "p")
        predictor.bits = 8
        let id = try PredictorStore.add(predictor, name: "p", over: connection)
        let prepared = try DeviceSearch(
            .init(predictor: try ArtifactStore(connection).get(id)), space: space, seed: 1
        ) { try BlobStore(connection).get($0.digest) }
        let limits = Constraints(macsMax: 3_000_000)
        _ = try prepared.search(DeviceTarget(name: "mcu", kind: .microcontroller, limits: limits))
        let error = #expect(throws: SearchError.self) {
            try prepared.search(DeviceTarget(name: "phone", kind: .phone, limits: limits))
        }
        #expect(error?.code == .outsideDomain)
        #expect(error?.message.contains("networks of device phone compute in floats") == true)
    }

    @Test("a search for a device of eight bits reads the predictor of eight bits, if there is one")
    func sources() throws {
        var sources = Specialization.Sources(
            run: 4, space: .fashion, seed: 1,
            artifacts: [
                .supernet: ArtifactID(rawValue: 1), .predictor: ArtifactID(rawValue: 2),
                .dataset: ArtifactID(rawValue: 3), .testImages: ArtifactID(rawValue: 4),
            ])
        func predictor(_ kind: DeviceTarget.Kind) throws -> InputReference? {
            let target = DeviceTarget(name: "d", kind: kind, limits: Constraints(macsMax: 5))
            let spec = try Specialization.runSpec(
                [StoredDevice(target: target, latencyTable: nil)], from: sources)
            let job = try #require(spec.stages.first { $0.name == "search-d" }?.jobs.first)
            return try JSONText.decode(StageArguments.self, from: job.args, what: "t").inputs[
                .predictor]
        }
        #expect(try predictor(.microcontroller) == .artifact("2"))
        sources.eightBitPredictor = ArtifactID(rawValue: 9)
        #expect(try predictor(.microcontroller) == .artifact("9"))
        #expect(try predictor(.phone) == .artifact("2"))
    }
}
