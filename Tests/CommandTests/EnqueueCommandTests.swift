// `ofa enqueue` and `ofa run` as their users type them, with files that are right and wrong.
import Foundation
import TestSupport
import Testing

@Suite struct EnqueueCommandTests {
    @Test(
        "a wrong file is an error with its line, exit code 1, and nothing is enqueued",
        arguments: [
            (
                "needs: [data]", "needs: [predictor]",
                ":16: stages.full.needs is part of a cycle: full → predictor → accuracy → full"
            ),
            (
                "epochs: 0.3", "epochz: 0.3",
                ":23: stages.full.epochz is not a known key here; did you mean 'epochs'?"
            ),
            (
                "held_out: 100", "held_out: 100\n    heldout: 3",
                ":14: stages.data.heldout is not a known key here; did you mean 'held_out'? known are "
            ),
            (
                "kind: fit-predictor\n    needs: [accuracy]",
                "kind: fit-predictor\n    needs: [data]",
                "stages.predictor.needs leads to no stage that makes a accuracy-samples"
            ),
            (
                "epochs: 0.3", "epochs: many",
                ":23: stages.full.epochs is 'many': write a decimal number"
            ),
            ("seed: 3", "seed: [", "not YAML"),
            (
                "space: fashion-mbv3", "space: fashion",
                ":3: space is 'fashion': no search space is named fashion"
            ),
            (
                "device: this-machine\n    repeats", "device: other\n    repeats",
                "stages.latency.device names 'other'"
            ),
        ])
    func wrong(original: String, replacement: String, message: String) throws {
        let place = try CommandPlace()
        try place.write(
            CommandPlace.tiny.replacing(original, with: replacement, maxReplacements: 1))
        for command in ["enqueue", "run"] {
            let run = try place.ofa(command, "tiny.yaml")
            #expect(run.status == 1)
            #expect(run.output.isEmpty)
            #expect(run.errors.hasPrefix("Error: tiny.yaml"))
            #expect(run.errors.contains(message), "\(run.errors)")
            #expect(run.errors.filter(\.isNewline).count == 1)
        }
        #expect(try place.list("jobs").isEmpty)
        #expect(try place.ofa("status").status == 2)
    }

    @Test(
        "--at with an unfinished run of the file is refused, since that goes on now; an option twice too"
    )
    func atTwice() throws {
        let place = try CommandPlace()
        #expect(try place.ofa("enqueue", "tiny.yaml").status == 0)
        let again = try place.ofa("enqueue", "tiny.yaml", "--at", "03:00")
        #expect(again.status == 1 && again.output.isEmpty)
        #expect(again.errors.contains("run 1 of this file is unfinished"), "\(again.errors)")
        for wrong in ["2026-02-30T00:00:00Z", "2027-01-01T00:00:00+99:00", "2020-01-01T00:00:00Z"] {
            #expect(try place.ofa("enqueue", "tiny.yaml", "--at", wrong).status == 64, "\(wrong)")
        }
        let twice = try place.ofa("enqueue", "tiny.yaml", "--name", "a", "--name=b")
        #expect(
            twice.status == 64 && twice.errors.contains("--name stands twice"), "\(twice.errors)")
        #expect(try place.list("status", "--all").count == 1)
    }

    @Test(
        "enqueue prints the run's number, saves the file's devices, and finds an unfinished run again"
    )
    func enqueue() throws {
        let place = try CommandPlace()
        let first = try place.ofa("enqueue", "tiny.yaml")
        #expect(first.status == 0)
        #expect(first.output == "1\n")
        let again = try place.document("enqueue", "tiny.yaml")
        #expect(again["run"] as? Int == 1)
        #expect(again["new"] as? Bool == false)
        #expect(again["stages"] as? Int == 9)
        #expect(
            try place.document("enqueue", "tiny.yaml", "--name", "other")["new"] as? Bool == true)
        #expect(
            try place.document("device", "show", "this-machine")["max_latency_ms"] as? Double == 50)
        #expect(try place.list("jobs", "--run", "1").count == 9)
    }

    @Test("a file that does not exist is named; a word missing is a usage error")
    func missing() throws {
        let place = try CommandPlace()
        let run = try place.ofa("enqueue", "nowhere.yaml")
        #expect(run.status == 1)
        #expect(run.errors.contains("nowhere.yaml"))
        #expect(try place.ofa("enqueue").status == 64)
    }

    @Test("a device that no network serves is refused with the smallest that is reachable")
    func infeasible() throws {
        let place = try CommandPlace()
        try place.write(
            CommandPlace.tiny.replacing(
                "max_latency_ms: 50", with: "max_latency_ms: 50\n    max_macs: 10"))
        for command in ["enqueue", "run"] {
            let run = try place.ofa(command, "tiny.yaml")
            #expect(run.status == 2)
            #expect(
                run.errors.contains(
                    "stages.search.device cannot be served: no network of fashion-mbv3 meets the limits of device"
                        + " this-machine: macs ≤ 10: the smallest reachable is 1370544"),
                "\(run.errors)")
        }
    }
}
