// What belongs together is stored together: a command that fails half-way leaves nothing.
import Foundation
import Networks
import Postgres
import Search
import Tensors
import TestSupport
import Testing

@Suite struct OneTransactionTests {
    /// The database refuses every device, as it would refuse one that breaks a rule of its own.
    private func refuseDevices(_ place: CommandPlace) throws {
        // Makes the tables.
        #expect(try place.ofa("device", "list").status == 0)
        try place.database.connect().script(
            """
            create function ofa.refuse_device() returns trigger language plpgsql as $$
            begin raise exception 'no devices here' using errcode = 'check_violation'; end $$;
            create trigger refuse before insert or update on ofa.device for each row execute function ofa.refuse_device();
            """, name: "RefuseDevices")
    }

    private func rows(_ place: CommandPlace, _ tables: String...) throws -> [Int] {
        let connection = try place.database.connect()
        return try tables.map { table in
            try connection.queryOne(
                Statement(name: "Count\(table)", sql: "select count(*) from ofa.\(table)")
            ).int("count")
        }
    }

    @Test("a run whose device is refused is not enqueued, once or again and again")
    func enqueue() throws {
        let place = try CommandPlace()
        try refuseDevices(place)
        for arguments in [["enqueue", "tiny.yaml"], ["enqueue", "tiny.yaml", "--every", "1d"]] {
            let run = try place.ofa(arguments)
            #expect(run.status == 1 && run.errors.contains("no devices here"), "\(run.errors)")
        }
        #expect(
            try rows(place, "run", "job", "job_group", "live", "recurring") == [0, 0, 0, 0, 0])
    }

    @Test("a device that is refused leaves no tables behind")
    func device() throws {
        let place = try CommandPlace()
        try refuseDevices(place)
        let run = try place.ofa(
            "device", "add", "d", "--kind", "phone", "--latency-table", try place.table("ms.csv"),
            "--energy-table", try place.table("mj.csv", unit: "mj"))
        #expect(run.status == 1 && run.errors.contains("no devices here"), "\(run.errors)")
        #expect(try rows(place, "artifact", "blob", "device") == [0, 0, 0])
    }

    @Test("a calibrated table whose device is refused is not stored")
    func calibrated() throws {
        let place = try CommandPlace()
        _ = try place.document("device", "add", "watch", "--kind", "phone")
        let table = try place.table("ms.csv")
        let calibrate = [
            "device", "calibrate", "watch", "--reference", table, "--space", "fashion-mbv3",
        ]
        let plan = try place.ofa(calibrate + ["--plan", "10", "--resolutions", "20,28"])
        #expect(plan.status == 0 && plan.lines.count == 10, "\(plan.errors)")
        let file = place.folder.appending(path: "watch.jsonl")
        let measured = plan.lines.enumerated().map { "\($1.dropLast()),\"latency_ms\":\(3 + $0)}" }
        try measured.joined(separator: "\n").write(to: file, atomically: true, encoding: .utf8)
        try refuseDevices(place)
        let run = try place.ofa(calibrate + ["--measurements", file.path])
        #expect(run.status == 1 && run.errors.contains("no devices here"), "\(run.errors)")
        #expect(try rows(place, "artifact", "blob", "device") == [0, 0, 1])
    }

    @Test("a predictor whose artifact is refused leaves no bytes behind")
    func predictor() throws {
        let place = try CommandPlace()
        #expect(try place.ofa("device", "list").status == 0)
        try place.database.connect().script(
            """
            create function ofa.refuse_artifact() returns trigger language plpgsql as $$
            begin raise exception 'no artifacts here' using errcode = 'check_violation'; end $$;
            create trigger refuse before insert on ofa.artifact for each row execute function ofa.refuse_artifact();
            """, name: "RefuseArtifacts")
        var stream = RandomStream(seed: 1)
        let samples = (0..<40).map {
            AccuracySample(
                config: SearchSpace.fashion.sample(using: &stream), accuracy: 0.5 + Double($0) / 100
            )
        }
        let predictor = try AccuracyPredictor.fit(samples, space: .fashion, method: .ridge, seed: 1)
        let file = place.folder.appending(path: "p.bin")
        try Data(try predictor.encoded()).write(to: file)
        let run = try place.ofa("predictor", "import", file.path, "--space", "fashion-mbv3")
        #expect(run.status == 1 && run.errors.contains("no artifacts here"), "\(run.errors)")
        #expect(try rows(place, "artifact", "blob") == [0, 0])
    }

    @Test("the devices of a file are saved with a run that is new, and not with one that is found")
    func once() throws {
        let place = try CommandPlace()
        #expect(try place.ofa("enqueue", "tiny.yaml").status == 0)
        _ = try place.document(
            "device", "add", "this-machine", "--kind", "computer", "--max-latency-ms", "7")
        let again = try place.document("enqueue", "tiny.yaml")
        #expect(again["new"] as? Bool == false)
        let device = try place.document("device", "show", "this-machine")
        #expect(device["max_latency_ms"] as? Double == 7)
    }
}
