// Going on: from an artifact with other classes, and with one network; what was killed goes on with the same bits.
import Foundation
import Jobs
import Postgres
import TestSupport
import Testing

@Suite struct FineTuneCommandTests {
    /// Data, a supernet, its smallest network, and that network trained further.
    private static func tuning(epochs: Double, _ more: String = "") -> String {
        let stages = CommandPlace.tiny.components(separatedBy: "  accuracy:\n")[0]
        return stages + """
              smallest:
                kind: materialise
                needs: [full]
                network: smallest
                calibration_images: 64
              tuned:
                kind: fine-tune
                needs: [smallest]
                from: smallest
                teacher: full
                epochs: \(epochs)
                learning_rate: 0.02
                batch: 32
                dropout: 0.1
                augmentation: {min_area: 0.8, flip: false}
                calibration_images: 64
                \(more)

            """
    }

    private func tuned(_ place: CommandPlace) throws -> [String: Any] {
        let networks = try place.list("artifacts", "list", "--kind", "subnet")
        return try #require(
            networks.last { ($0["name"] as? String)?.hasSuffix("fine-tuned") == true })
    }

    /// The row of a run's report about the network that was trained further.
    private func row(_ report: [String: Any]) throws -> [String: Any] {
        try #require(
            (report["networks"] as? [[String: Any]])?.last { $0["fine_tuning"] is [String: Any] })
    }

    /// Checks the record of a fine-tuning in a row of a report: the better network is kept.
    @discardableResult
    private func check(_ network: [String: Any]) throws -> String {
        let record = try #require(network["fine_tuning"] as? [String: Any])
        func accuracy(_ side: String) throws -> Double {
            let figures = try #require(record[side] as? [String: Any])
            #expect(figures["held_out_loss"] is Double)
            return try #require(figures["held_out_accuracy"] as? Double)
        }
        let (before, after) = (try accuracy("before"), try accuracy("after"))
        let kept = try #require(record["kept"] as? String)
        #expect(try accuracy(kept) == max(before, after))
        #expect(network["held_out_accuracy"] as? Double == max(before, after))
        #expect(record["held_out_images"] as? Int == 100 && record["source"] is Int)
        return kept
    }

    @Test("a stage trains one network further; the report has both, and the better one is kept")
    func stage() throws {
        let place = try CommandPlace(images: true)
        try place.write(Self.tuning(epochs: 6))
        let report = try place.document("run", "tiny.yaml")
        let network = try #require((report["networks"] as? [[String: Any]])?.first)
        // The smallest network itself is the supernet's end, and not replaced by the trained one.
        #expect(report["smallest_test_accuracy"] is Double)
        let kept = try check(network)
        // The supernet has had a third of an epoch: six more with a teacher help.
        #expect(kept == "after" && network["predicted_accuracy"] is NSNull)
        let artifact = try tuned(place), id = try #require(artifact["id"] as? Int)
        #expect(network["artifact"] as? Int == id)
        let text = try place.ofa("report", "1")
        #expect(text.output.contains("smallest, fine-tuned"), "\(text.output)")
        #expect(text.output.contains("held-out images; the network after is kept"))
        let page = try place.ofa("report", "1", "--html", "-")
        #expect(page.output.contains("<h3>Fine-tuning: 6 epochs of artifact"))
        let up = try place.ofa("lineage", "up", "\(id)")
        for word in ["fashion-mbv3-smallest", "fashion-mbv3-full", "tiny-dataset"] {
            #expect(up.output.contains(word), "\(up.output)")
        }
        // It is a network as any other, and made again it has the same bytes.
        let dataset = try #require(
            try place.list("artifacts", "list", "--kind", "dataset").first?["id"])
        let evaluated = try place.document(
            "evaluate", "\(id)", "--dataset", "\(dataset)", "--split", "held-out")
        #expect(evaluated["top1"] as? Double == network["held_out_accuracy"] as? Double)
        let exported = try place.ofa("export", "\(id)", "-o", "tuned.onnx")
        #expect(exported.status == 0, "\(exported.errors)")
        let again = try place.ofa("reproduce", "\(id)", "--check")
        #expect(again.status == 0, "\(again.errors)")
    }

    @Test("a training that makes the network worse leaves the network as it was")
    func worse() throws {
        let place = try CommandPlace(images: true)
        let stages = Self.tuning(epochs: 0.2).replacing("epochs: 0.3", with: "epochs: 8")
            .replacing("learning_rate: 0.02", with: "learning_rate: 1.5")
        try place.write(stages)
        let report = try place.document("run", "tiny.yaml")
        let network = try #require((report["networks"] as? [[String: Any]])?.first)
        #expect(try check(network) == "before")
        let networks = try place.list("artifacts", "list", "--kind", "subnet")
        #expect(networks.count == 2)
        #expect(Set(networks.compactMap { $0["digest"] as? String }).count == 1)
    }

    @Test("a training that is killed goes on at its checkpoint and ends with the same bits")
    func killed() throws {
        let calm = try CommandPlace(images: true), place = try CommandPlace(images: true)
        for place in [calm, place] {
            try place.write(Self.tuning(epochs: 12, "checkpoint_seconds: 0"))
        }
        let reference = try calm.ofa("run", "tiny.yaml")
        #expect(reference.status == 0, "\(reference.errors)")
        let first = try RunningCommand(["run", place.pipeline], environment: place.environment)
        let connection = try place.database.connect()
        let step = Statement(
            name: "Step",
            sql: """
                select coalesce(max(seq), 0) as step from ofa.checkpoint join ofa.job on job.id = job_id
                where job.kind = 'fine-tune'
                """)
        while try connection.queryOne(step).int("step") < 20 {
            try #require(first.isRunning, "it ended before it was killed: \(first.errors)")
            Thread.sleep(forTimeInterval: 0.01)
        }
        first.killNow()
        let second = try place.ofa("run", "tiny.yaml")
        #expect(second.status == 0, "\(second.errors)")
        let queue = JobQueue(connection)
        let job = try #require(try queue.jobs().first { $0.stage == "tuned" })
        let log = try queue.log(of: job.id).map(\.line)
        #expect(log.contains { $0.hasPrefix("resumed at step ") }, "\(log)")
        let digest = try tuned(place)["digest"] as? String
        #expect(try digest == tuned(calm)["digest"] as? String)
        // The digests are those of trained networks, and both networks have the same figures.
        let smallest = try place.list("artifacts", "list", "--kind", "subnet").first
        #expect(digest != smallest?["digest"] as? String)
        let rows = try [calm, place].map { try row($0.document("report", "1")) }
        for row in rows { #expect(try check(row) == "after") }
        let records = try rows.map { row in
            let record = try #require(row["fine_tuning"] as? [String: Any])
            return try ["before", "after"].flatMap { side in
                let figures = try #require(record[side] as? [String: Any])
                return try ["held_out_accuracy", "held_out_loss"].map {
                    try #require(figures[$0] as? Double)
                }
            }
        }
        #expect(records[0] == records[1])
    }

    @Test(
        "a training that diverges keeps the network before and says why; it has this stage's test accuracy"
    )
    func diverged() throws {
        let place = try CommandPlace(images: true)
        // Other test images: 400 that are the training images of the first import.
        let (data, more) = (
            place.folder.appending(path: "data"), place.folder.appending(path: "more")
        )
        try FileManager.default.copyItem(at: data, to: more)
        for part in ["images-idx3", "labels-idx1"] {
            let test = more.appending(path: "t10k-\(part)-ubyte.gz")
            try FileManager.default.removeItem(at: test)
            try FileManager.default.copyItem(
                at: data.appending(path: "train-\(part)-ubyte.gz"), to: test)
        }
        let stages = Self.tuning(epochs: 6, "weight_decay: 1").replacing(
            "learning_rate: 0.02", with: "learning_rate: 100"
        ).replacing("needs: [smallest]", with: "needs: [smallest, more]").replacing(
            "from: smallest", with: "from: smallest\n    dataset: data\n    test_images: more")
        try place.write(
            stages + "  more: {kind: import-dataset, dataset: more, folder: more, held_out: 100}\n")
        let network = try row(place.document("run", "tiny.yaml"))
        let record = try #require(network["fine_tuning"] as? [String: Any])
        #expect(record["after"] is NSNull && record["kept"] as? String == "before")
        let failure = try #require(record["failure"] as? String)
        #expect(failure.contains("not finite"), "\(failure)")
        let before = try #require(record["before"] as? [String: Any])
        #expect(network["held_out_accuracy"] as? Double == before["held_out_accuracy"] as? Double)
        #expect(network["test_images"] as? Int == 400)
        let networks = try place.list("artifacts", "list", "--kind", "subnet")
        #expect(networks.count == 2)
        #expect(Set(networks.compactMap { $0["digest"] as? String }).count == 1)
        let text = try place.ofa("report", "1")
        #expect(
            text.output.contains("is kept, since the training diverged: phase"), "\(text.output)")
        let page = try place.ofa("report", "1", "--html", "-")
        #expect(page.output.contains(failure))
    }

    @Test(
        "a teacher of other classes is refused, and a classifier that goes on with other classes is logged"
    )
    func otherClasses() throws {
        let place = try CommandPlace.withPictures()
        try place.writePictures((0..<10).map { "new \($0)" }, train: 30, test: 10, in: "others")
        let supernet = try place.artifact("fashion-mbv3-full").id
        func stage(_ name: String, _ more: String) -> String {
            """
              \(name): {kind: train, needs: [data], from: artifact:\(supernet), phase: full, epochs: 0.2,
                learning_rate: 0.05, batch: 32\(more)}

            """
        }
        try place.write(
            """
            name: others
            space: fashion-mbv3
            stages:
              data: {kind: import-dataset, dataset: others, folder: others, held_out: 50}

            """ + stage("on", "") + stage("taught", ", teacher: artifact:\(supernet)"))
        let run = try place.ofa("run", "tiny.yaml")
        #expect(run.status == 1)
        #expect(
            run.errors.contains(
                "the teacher, tells other classes apart than those of the data set"),
            "\(run.errors)")
        let queue = JobQueue(try place.database.connect())
        let job = try #require(try queue.jobs().last { $0.stage == "on" })
        #expect(job.state == .completed)
        let log = try queue.log(of: job.id).map(\.line)
        #expect(log.contains { $0.contains("goes on with other classes") }, "\(log)")
    }

    @Test(
        "ofa specialize --fine-tune makes and trains in one go; a supernet goes on with other classes"
    )
    func specialize() throws {
        let place = try CommandPlace(images: true)
        #expect(try place.ofa("run", "tiny.yaml").status == 0)
        _ = try place.ofa("device", "add", "watch", "--kind", "phone", "--max-macs", "2000000")
        let alone = try place.ofa("specialize", "--device", "watch", "--fine-tune-rate", "0.1")
        #expect(alone.status == 64)
        let report = try place.document(
            "specialize", "--device", "watch", "--fine-tune", "2", "--wait")
        let networks = try #require(report["networks"] as? [[String: Any]])
        #expect(networks.count == 2 && networks[0]["fine_tuning"] is NSNull)
        try check(networks[1])
        let record = try #require(networks[1]["fine_tuning"] as? [String: Any])
        #expect(record["source"] as? Int == networks[0]["artifact"] as? Int)
        // A tenth of the rate of the supernet's phase.
        #expect(abs((record["learning_rate"] as? Double ?? 0) - 0.005) < 1e-12)
        let stages = try #require(report["cost"] as? [[String: Any]])
        #expect(stages.contains { $0["stage"] as? String == "tune-watch" })
        try checkNewHead(place)
        try checkChoice(place)
    }

    private func checkNewHead(_ place: CommandPlace) throws {
        let supernet = try #require(
            try place.list("artifacts", "list", "--kind", "supernet").last?["id"] as? Int)
        func write(_ head: String) throws {
            try place.write(
                """
                name: other
                space: {base: fashion-mbv3, name: other, classes: 12}
                stages:
                  data: {kind: import-dataset, dataset: other, folder: DATA, held_out: 100}
                  on:
                    kind: train
                    needs: [data]
                    from: artifact:\(supernet)
                    phase: full
                    epochs: 0.2
                    learning_rate: 0.05
                    batch: 32
                    \(head)
                """)
        }
        try write("weight_decay: 0")
        let before = try place.list("jobs").count
        let refused = try place.ofa("run", "tiny.yaml")
        #expect(refused.status == 2)
        #expect(
            refused.errors.contains(
                "tiny.yaml:8: stages.on.from names artifact:\(supernet): it is"),
            "\(refused.errors)")
        #expect(refused.errors.contains("classes is 12, not 10"), "\(refused.errors)")
        #expect(try place.list("jobs").count == before)
        let recurring = try place.ofa("enqueue", "tiny.yaml", "--every", "1d")
        #expect(recurring.status == 1 && recurring.errors.contains("names artifacts, and nothing"))
        try write("new_head: true")
        // A run that is enqueued for later refers to the artifact, and goes on without another look-up.
        let later = try place.document("enqueue", "tiny.yaml", "--at", "03:00")
        let again = try place.document("enqueue", "tiny.yaml")
        #expect(later["new"] as? Bool == true && again["new"] as? Bool == false)
        let number = try #require(later["run"] as? Int)
        #expect(again["run"] as? Int == number)
        #expect(try place.ofa("cancel", "\(number)").status == 0)
        let run = try place.document("run", "tiny.yaml")
        let made = try #require(
            try place.list("artifacts", "list", "--kind", "supernet").last)
        #expect(made["name"] as? String == "other-on")
        let up = try place.document("lineage", "up", "\(made["id"] ?? 0)")
        let text = String(decoding: try JSONSerialization.data(withJSONObject: up), as: UTF8.self)
        #expect(
            text.contains("\"run\":1") && text.contains("\"run\":\(run["run"] ?? 0)"), "\(text)")
    }

    /// A search result of an earlier run is extracted and trained in one stage.
    private func checkChoice(_ place: CommandPlace) throws {
        func newest(_ kind: String) throws -> Int {
            try #require(
                try place.list("artifacts", "list", "--kind", kind).last {
                    $0["run"] as? Int ?? 1 < 3
                }?["id"]
                    as? Int)
        }
        let supernets = try place.list("artifacts", "list", "--kind", "supernet")
        let (data, choice) = (try newest("dataset"), try newest("search-result"))
        try place.write(
            """
            name: chosen
            space: fashion-mbv3
            stages:
              tuned:
                kind: fine-tune
                from: artifact:\(choice)
                dataset: artifact:\(data)
                supernet: artifact:\(supernets[0]["id"] ?? 0)
                epochs: 0.5
                learning_rate: 0.01
                batch: 32
                calibration_images: 64
            """)
        let report = try place.document("run", "tiny.yaml")
        let network = try #require((report["networks"] as? [[String: Any]])?.first)
        try check(network)
        #expect((network["fine_tuning"] as? [String: Any])?["source"] as? Int == choice)
        #expect(network["device"] as? String == "watch")
        // The same images in another split: the supernet was trained on images that are held out now.
        try place.write(
            """
            name: split
            seed: 9
            space: fashion-mbv3
            stages:
              data: {kind: import-dataset, dataset: tiny, folder: DATA, held_out: 100}
              tuned:
                kind: fine-tune
                needs: [data]
                from: artifact:\(choice)
                supernet: artifact:\(supernets[0]["id"] ?? 0)
                epochs: 0.5
                learning_rate: 0.01
                batch: 32
            """)
        let refused = try place.ofa("run", "tiny.yaml")
        #expect(refused.status == 1)
        #expect(
            refused.errors.contains("holds out 100 images, and artifact")
                && refused.errors.contains("go on with the same split: dataset: artifact:\(data)"),
            "\(refused.errors)")
    }
}
