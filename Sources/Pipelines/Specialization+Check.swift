// Checks a specialisation before it is enqueued: predictor and tables must belong to the space, and some network must
// meet the device's limits. The check takes a tenth of a second and needs no worker.

import Artifacts
import Devices
import Foundation
import Intake
import Jobs
import Networks
import Postgres
import Search

extension Specialization {
    /// Throws if a network for `device` cannot be specialised from `sources`; `note` receives assumptions that were
    /// made.
    ///
    /// Errors: `infeasible` with the smallest reachable values; `mismatch` for tables or a
    /// predictor of another space. A latency limit is ignored while the latency is still to be
    /// measured.
    public static func check(
        _ device: StoredDevice, from sources: Sources, _ connection: Connection,
        note: (String) -> Void
    ) throws {
        let store = ArtifactStore(connection), blobs = BlobStore(connection)
        guard let predictor = sources.predictor(for: device.target) else { return }
        let isTimed = device.target.limits.latencyMsMax != nil
        let supernet = try sources.artifacts[.supernet].map(store.get)
        let inputs = DeviceSearch.Inputs(
            predictor: try store.get(predictor),
            latencyTable: isTimed ? try device.latencyTable.map(store.get) : nil,
            energyTable: try device.energyTable.map(store.get), supernet: supernet)
        do {
            let prepared = try DeviceSearch(
                inputs, space: sources.space, seed: sources.seed
            ) { try blobs.get($0.digest) }
            var target = device.target
            if inputs.latencyTable == nil { target.limits = target.limits.without(.latency) }
            _ = try prepared.search(target)
            if prepared.trained == nil, let supernet {
                note(
                    "supernet \(supernet.id) does not record what it was trained for: assumed to be all of \(sources.space.name)"
                )
            }
        } catch let error as SearchError where error.code == .outsideDomain {
            throw mismatch(device.target, sources, error)
        } catch let error as DeviceError where error.code == .missingLatency {
            throw mismatch(device.target, sources, error)
        }
    }

    private static func mismatch(
        _ device: DeviceTarget, _ sources: Sources, _ error: any Remedied
    ) -> PipelineError {
        PipelineError(
            .mismatch, "device \(device.name) in space \(sources.space.name): \(error.reason)",
            remedy: error.remedy)
    }

    /// Returns the figures of the last network that a run made for a device; nil if the run has not made one yet.
    public static func figures(ofDevice device: String, run: RunID, _ queue: JobQueue) throws
        -> NetworkFigures?
    {
        let stages = Set(try queue.runStatus(run).stages.map(\.name))
        for step in [Step.tune, .network] where stages.contains(step.stage(device)) {
            guard let result = try queue.results(run: run, stage: step.stage(device)).last else {
                continue
            }
            return try JSONText.decode(
                NetworkFigures.self, from: result, what: "the result of \(device)")
        }
        return nil
    }
}
