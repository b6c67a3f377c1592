// Checks what is trained further against the images and classes that it was trained on before, which its lineage
// records: no image that is held out now may have been trained on, and a teacher must tell the same classes apart.

import Artifacts
import Datasets
import Foundation
import Networks
import Postgres

extension DatasetMetadata {
    /// Returns the number of images that this split holds out and that `other`, another split of the same images, trains
    /// on; 0 if the images are others.
    func heldOut(trainedBy other: DatasetMetadata) throws -> Int {
        guard heldOut > 0, fingerprint == other.fingerprint, images == other.images else {
            return 0
        }
        let (own, earlier) = (try split(), try other.split())
        guard own != earlier else { return 0 }
        let trained = Set(earlier.training)
        return own.heldOut.count(where: trained.contains)
    }

    /// Throws `mismatch` if the data set `data` holds out images of a data set in the lineage of `network`, a network or
    /// a supernet, that are training images there: accuracies on them would be too high.
    static func checkSplit(of data: Artifact, for network: Artifact, _ connection: Connection)
        throws
    {
        let own = try DeviceSearch.metadata(DatasetMetadata.self, data)
        let scope = Lineage.Scope(
            limit: 1_000_000, hidden: ArtifactRole.datasetShard.rawValue)
        let lineage = try Lineage(connection).graph(.up, of: [network.id], scope)
        for other in lineage.artifacts
        where other.kind == ArtifactRole.dataset.rawValue && other.id != data.id {
            let count = try own.heldOut(
                trainedBy: try DeviceSearch.metadata(DatasetMetadata.self, other))
            guard count > 0 else { continue }
            throw PipelineError(
                .mismatch,
                "data set artifact \(data.id) holds out \(own.heldOut) images, and artifact \(network.id) was trained on"
                    + " \(count) of them: they are training images of artifact \(other.id)",
                remedy: "go on with the same split: dataset: artifact:\(other.id)")
        }
    }
}

extension StageContext {
    /// Throws `mismatch` if the input `role`, a network or a supernet, was trained on images that the input data set holds
    /// out.
    func checkSplit(_ role: ArtifactRole) throws {
        try DatasetMetadata.checkSplit(
            of: try input(.dataset), for: try input(role), try job.connection)
    }

    /// Checks the classes of a supernet that goes on, and of its teacher. A supernet of other classes whose classifier is
    /// kept is logged. Errors: `mismatch` for a teacher of other classes.
    func checkClasses(_ images: TrainingImages, _ train: StageParameters.Train) throws {
        try checkTeacherClasses(images)
        guard train.from != nil, train.newHead != true else { return }
        let supernet = try input(.supernet)
        guard let names = try otherClasses(supernet, than: images) else { return }
        job.log(
            "the classifier goes on with other classes: artifact \(supernet.id) was trained on \(names);"
                + " new_head: true would replace it")
    }

    /// Throws `mismatch` if the teacher, if there is one, was trained on other classes than those of `images`.
    func checkTeacherClasses(_ images: TrainingImages) throws {
        guard arguments.inputs[.teacher] != nil else { return }
        let teacher = try input(.teacher)
        guard let names = try otherClasses(teacher, than: images) else { return }
        throw PipelineError(
            .mismatch,
            "artifact \(teacher.id), the teacher, tells other classes apart than those of the data set: \(names)",
            remedy:
                "leave teacher out, or name a supernet that was trained on the same classes in the same order"
        )
    }

    /// Returns the first classes that `supernet` was trained on, in words, if they are known not to be those of `images`
    /// in the same order; otherwise nil.
    private func otherClasses(_ supernet: Artifact, than images: TrainingImages) throws -> String? {
        guard !images.classNames.isEmpty else { return nil }
        let known = try StoredSupernet.classNames(of: supernet, try job.connection)
        guard !known.isEmpty, known != images.classNames else { return nil }
        return known.prefix(3).map { "'\($0)'" }.joined(separator: ", ")
            + (known.count > 3 ? " and \(known.count - 3) more" : "")
    }
}
