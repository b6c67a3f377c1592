// The sources of a specialisation: a predictor, the supernet whose networks the predictor was fitted on, and the data
// set that these networks were measured on. The predictor's lineage leads to the supernet and the data set.

import Artifacts
import Devices
import Foundation
import Jobs
import Networks
import Postgres
import Search

extension Specialization {
    /// The artifacts of an earlier run that a specialisation uses.
    public struct Sources: Sendable, Equatable {
        /// The run that the artifacts come from.
        public let run: RunID
        /// The search space of the run.
        public let space: SearchSpace
        let seed: UInt64
        /// The number of calibration images, the same as for the networks that the predictor was fitted on.
        var calibrationImages = 2000
        /// How calibration images are augmented; nil for no augmentation.
        var calibrationAugmentation: CalibrationAugmentation?
        /// The test offset (mean difference of test and held-out accuracy) of the run's own networks; nil if too few of
        /// these networks were also measured on held-out images.
        public private(set) var testOffset: TestOffset?
        fileprivate(set) var artifacts: [ArtifactRole: ArtifactID]
        /// The predictor for devices of eight bits: the newest of accuracies in eight bits that was fitted on subnets of the
        /// same supernet, calibrated alike. Nil if there is none, or if the predictor was named.
        var eightBitPredictor: ArtifactID?

        /// Returns the predictor for searches for `device`.
        func predictor(for device: DeviceTarget) -> ArtifactID? {
            (device.bits == 8 ? eightBitPredictor : nil) ?? artifacts[.predictor]
        }

        /// A copy without the test offset, so that new networks are also measured on held-out images.
        public var measuringHeldOut: Sources {
            var other = self
            other.testOffset = nil
            return other
        }

        init(
            run: RunID, space: SearchSpace, seed: UInt64, artifacts: [ArtifactRole: ArtifactID],
            calibrationImages: Int = 2000, testOffset: TestOffset? = nil,
            calibrationAugmentation: CalibrationAugmentation? = nil
        ) {
            self.calibrationImages = calibrationImages
            self.calibrationAugmentation = calibrationAugmentation
            self.testOffset = testOffset
            self.run = run
            self.space = space
            self.seed = seed
            self.artifacts = artifacts
        }
    }

    /// Returns the sources of the newest fitted predictor whose lineage is complete. With `run`, only predictors of
    /// that run count. A predictor of accuracies in eight bits counts only if there is no other; `withEightBits` also finds
    /// the newest of these, for devices of eight bits.
    ///
    /// `supernet` and `predictor` are artifacts by number, digest or name: a supernet implies its newest predictor, and
    /// a predictor implies its supernet. A run that this version cannot read is skipped with a note, unless `run` names
    /// it. Errors: `mismatch` if the named predictor was fitted on another supernet, or if the named supernet has no
    /// predictor; `missingInput` if no predictor is found although no supernet is named, or if a named artifact is of
    /// another kind.
    public static func sources(
        _ connection: Connection, run: RunID? = nil, supernet: String? = nil,
        predictor: String? = nil, withEightBits: Bool = false,
        note: @escaping (String) -> Void = { _ in }
    ) throws -> Sources {
        try SourceFinder(connection, note).find(
            run: run, supernet: supernet, predictor: predictor, withEightBits: withEightBits)
    }
}

/// Resolves sources by lineage.
private struct SourceFinder {
    private let connection: Connection
    private let store: ArtifactStore
    private let queue: JobQueue
    private let note: (String) -> Void

    init(_ connection: Connection, _ note: @escaping (String) -> Void) {
        self.note = note
        self.connection = connection
        store = ArtifactStore(connection)
        queue = JobQueue(connection)
    }

    func find(run: RunID?, supernet: String?, predictor: String?, withEightBits: Bool) throws
        -> Specialization.Sources
    {
        if let run { _ = try queue.run(run) }
        let supernet = try supernet.map { try artifact($0, .supernet) }
        guard let predictor = try predictor.map({ try artifact($0, .predictor) }) else {
            let floats = try newest(run, supernet, predictedBy: nil, bits: 32)
            let eight =
                floats == nil || withEightBits
                ? try newest(run, supernet, predictedBy: nil, bits: 8) : nil
            guard var found = floats ?? eight else { throw missing(run, supernet) }
            if let eight, try serves(eight, found) {
                found.eightBitPredictor = eight.artifacts[.predictor]
            }
            return found
        }
        if let own = try sources(of: predictor) {
            guard let supernet, let theirs = own.artifacts[.supernet] else { return own }
            guard try store.get(theirs).digest == supernet.digest else {
                throw PipelineError(
                    .mismatch,
                    "predictor \(predictor.id) was fitted on networks of supernet \(theirs), not of \(supernet.id)",
                    remedy: "leave --predictor out, or fit one on that supernet")
            }
            return own
        }
        // A user-supplied predictor records its space but no supernet.
        let bytes = try BlobStore(connection).get(predictor.digest)
        let own = try PredictorStore.read(predictor, bytes)
        guard var found = try newest(run, supernet, predictedBy: own, bits: nil) else {
            throw missing(run, supernet, space: own.space)
        }
        found = found.measuringHeldOut
        found.artifacts[.predictor] = predictor.id
        return found
    }

    private func artifact(_ reference: String, _ role: ArtifactRole) throws -> Artifact {
        let artifact = try store.find(reference)
        guard artifact.kind == role.rawValue else {
            throw PipelineError(
                .missingInput,
                "artifact \(artifact.id) is a \(artifact.kind), not a \(role.rawValue)",
                remedy: "ofa artifacts list --kind \(role.rawValue)"
            )
        }
        return artifact
    }

    /// Returns the sources of the newest fitted predictor that `run` made, that was fitted on networks of `supernet`,
    /// whose space lies in the domain of `other`, and that is of accuracies in `bits` bits; nil if there is no such
    /// predictor. An argument that is nil adds no condition.
    private func newest(
        _ run: RunID?, _ supernet: Artifact?, predictedBy other: AccuracyPredictor?, bits: Int?
    ) throws -> Specialization.Sources? {
        try store.newestMade(kind: ArtifactRole.predictor.rawValue, run: run) { predictor in
            if let bits, try PredictorStore.bits(of: predictor) != bits { return nil }
            guard let found = try candidate(predictor, isNamed: run != nil) else { return nil }
            do { try other?.checkDomain(space: found.space, resolutions: []) } catch let error
                as SearchError where error.code == .outsideDomain
            { return nil }
            guard let supernet else { return found }
            let own = try found.artifacts[.supernet].map { try store.get($0).digest }
            return own == supernet.digest ? found : nil
        }
    }

    /// Returns whether the predictor of `other` predicts networks of the supernet of `sources`, calibrated alike.
    private func serves(
        _ other: Specialization.Sources, _ sources: Specialization.Sources
    ) throws -> Bool {
        func supernet(_ sources: Specialization.Sources) throws -> Digest? {
            try sources.artifacts[.supernet].map { try store.get($0).digest }
        }
        return try supernet(other) == supernet(sources)
            && other.calibrationImages == sources.calibrationImages
            && other.calibrationAugmentation == sources.calibrationAugmentation
    }

    /// Returns the sources of a predictor; nil if its sources are incomplete. If this version cannot read the run that
    /// made the predictor, throws if the user named the run (`isNamed`); otherwise calls `note` and returns nil.
    private func candidate(_ predictor: Artifact, isNamed: Bool) throws -> Specialization.Sources? {
        func passOver(_ error: some Error) throws {
            if isNamed { throw error }
            let run = predictor.producer.map { "run \($0.run)" } ?? "predictor \(predictor.id)"
            note("note: \(run) is skipped: \(error)")
        }
        do {
            return try sources(of: predictor)
        } catch let error as PipelineError
            where error.code == .invalidArtifact || error.code == .newerDefinition
        {
            try passOver(error)
        } catch let error as NetworkError where error.code == .unknownSpace {
            try passOver(error)
        } catch let error as JobsError where error.code == .notFound {
            try passOver(error)
        }
        return nil
    }

    /// Returns the sources that the lineage of a predictor records; nil if one of them is missing.
    private func sources(of predictor: Artifact) throws -> Specialization.Sources? {
        guard let run = predictor.producer?.run, let arguments = try arguments(of: predictor)
        else { return nil }
        let made = try store.list(run: run)
        let lineage = try Lineage(connection).up(predictor.id)
        let found = try origins(of: predictor, lineage)
        guard found.count == 4 else { return nil }
        let sampling = try lineage.artifacts.first {
            $0.kind == ArtifactRole.samples.rawValue
        }.flatMap { try self.arguments(of: $0)?.parameters }
        var calibration = 2000, augmentation: CalibrationAugmentation?
        if case .sampleAccuracy(let sampling) = sampling {
            calibration = sampling.calibrationImages
            augmentation = sampling.calibrationAugmentation
        }
        let networks = try made.filter { $0.kind == ArtifactRole.subnet.rawValue }.map {
            try JSONText.decode(
                NetworkFigures.self, from: $0.metadataJSON, what: "artifact \($0.id)")
        }
        return Specialization.Sources(
            run: run, space: arguments.space, seed: arguments.seed, artifacts: found,
            calibrationImages: calibration, testOffset: TestOffset(networks),
            calibrationAugmentation: augmentation)
    }

    /// Returns the stage arguments of the job that made an artifact; nil if unknown.
    private func arguments(of artifact: Artifact) throws -> StageArguments? {
        guard let job = artifact.producer?.job, let args = try queue.arguments(of: job) else {
            return nil
        }
        return try StageArguments.read(args, of: "job \(job)")
    }

    /// Returns the artifacts that a specialisation with `predictor` needs, as far as the lineage records them: the
    /// supernet whose networks were measured, the data set that these networks were measured on, and the test images
    /// imported with that data set.
    private func origins(
        of predictor: Artifact, _ lineage: LineageGraph
    ) throws -> [ArtifactRole: ArtifactID] {
        func input(_ role: ArtifactRole, of artifact: ArtifactID?) -> ArtifactID? {
            lineage.edges.first { $0.output == artifact && $0.role == role.rawValue }?.input
        }
        let samples = input(.samples, of: predictor.id)
        let dataset = input(.dataset, of: samples)
        // The data set may be of an earlier run.
        let importer = lineage.artifacts.first { $0.id == dataset }?.producer
        var found: [ArtifactRole: ArtifactID] = [.predictor: predictor.id]
        found[.supernet] = input(.supernet, of: samples)
        found[.dataset] = dataset
        found[.testImages] = try importer.flatMap { importer in
            try store.list(run: importer.run, kind: ArtifactRole.testImages.rawValue).first {
                $0.producer?.token == importer.token
            }?.id
        }
        return found
    }

    private func missing(_ run: RunID?, _ supernet: Artifact?, space: String? = nil)
        -> PipelineError
    {
        if let supernet {
            return PipelineError(
                .mismatch,
                "no predictor was fitted on networks of supernet \(supernet.id)",
                remedy: "measure some with sample-accuracy and"
                    + " fit one with fit-predictor, in a pipeline that trains it")
        }
        if let run {
            return PipelineError(
                .missingInput,
                "run \(run) has no fitted predictor with its supernet and data yet",
                remedy: "wait until it has"
            )
        }
        return PipelineError(
            .missingInput,
            "no run\(space.map { " of space \($0)" } ?? "") has a fitted predictor yet",
            remedy: "train one first, for example"
                + " with ofa run pipelines/fashion-mnist-quick.yaml")
    }
}
