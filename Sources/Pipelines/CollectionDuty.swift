// A periodic task (`Duty`) that deletes checkpoints of ended jobs, unreferenced blobs, and files that belong to no
// blob.
import Artifacts
import Jobs

extension Duty {
    /// Collects garbage once an hour, in transactions of limited size.
    public static var collection: Duty {
        Duty(name: "collection", everySeconds: 3600) { work in
            let collection = BlobCollection(work.queue.connection)
            while !work.isStopping() {
                let some = try collection.collect(limit: 200)
                if some.checkpoints + some.blobs == 0 { break }
            }
            if !work.isStopping() { _ = try collection.collectFiles() }
        }
    }
}
