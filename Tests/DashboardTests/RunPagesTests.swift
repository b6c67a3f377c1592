// The list of runs and the page of one run: facts, states, forms, hostile text, and many jobs.

import Artifacts
import Foundation
import Jobs
import Networks
import Postgres
import Search
import TestSupport
import Testing

@testable import Dashboard
@testable import Pipelines

@Suite("Pages of runs")
struct RunPagesTests {
    /// A run whose stage `data` has completed, whose stage `full` trains, and whose stage `wide` waits for both.
    private func training(_ fixture: PageFixture) throws -> (run: RunID, lease: Lease) {
        let run = try fixture.enqueue(
            [
                StageSpec(name: "data", job: JobSpec(kind: "work")),
                StageSpec(name: "full", job: JobSpec(kind: "work"), needs: ["data"]),
                StageSpec(
                    name: "wide", jobs: Array(repeating: JobSpec(kind: "work"), count: 3),
                    needs: ["full"]),
            ], name: "fashion")
        let session = try fixture.queue.openSession(name: "worker-1", kinds: ["work"])
        #expect(try fixture.queue.complete(fixture.claim(session), result: "{}") == .done)
        let lease = try fixture.claim(session)
        try fixture.queue.progress(lease, fraction: 0.5, message: "step 50/100")
        let steps = (0..<10).map { step in
            StepMetrics(
                firstStep: 10 * step + 1, lastStep: 10 * step + 10, skipped: 0, networks: 10,
                images: 640, seconds: 2, learningRate: 0.1, loss: 2 - Double(step) / 10,
                distillationLoss: nil, accuracy: 0.3, gradientNorm: 1)
        }
        try fixture.queue.record(
            lease,
            TrainingRows(
                steps: steps,
                validations: [
                    ValidationMetrics(
                        step: 100, network: "largest", arch: "{}", accuracy: 0.9125, loss: 0.3,
                        images: 1000)
                ]))
        return (run, lease)
    }

    @Test("a run's page tells its stages, its training, its attempts and its cost, and is live")
    func running() throws {
        let fixture = try PageFixture(), run = try training(fixture).run
        let list = try fixture.page("/runs")
        #expect(list.isLive)
        for fact in ["fashion", "1 of 3", "▸", "running (1)", "href=\"/runs/\(run)\""] {
            #expect(list.body.text.contains(fact), "\(fact)")
        }
        let page = try fixture.page("/runs/\(run)")
        #expect(page.isLive && page.title == "Run \(run) fashion")
        for fact in [
            "data", "step 50/100", "50 %", "320", "91.25 %", "1.1000", "id=\"stages\"",
            "id=\"timeline\"", "id=\"training\"", "id=\"cost\"",
            "<span class=\"unseen\"> run \(run)</span>",
            "/runs/\(run)/jobs?stage=wide", "attempt 1",
        ] {
            #expect(page.body.text.contains(fact), "\(fact)")
        }
        #expect(!page.body.text.contains("style="))
        #expect(try !fixture.markup("/runs/\(run)", mayAct: false).contains("<form"))
    }

    @Test("a failed run says why, and its failed jobs are retried; a run is cancelled")
    func forms() throws {
        let fixture = try PageFixture(), run = try training(fixture)
        #expect(
            try fixture.queue.fail(run.lease, error: "no room on the disk", retry: false) == .done)
        let list = try fixture.markup("/runs?state=failed")
        #expect(list.contains("no room on the disk") && list.contains("fashion"))
        #expect(try fixture.markup("/runs?state=completed").contains("No such run."))
        let page = try fixture.page("/runs/\(run.run)")
        #expect(!page.isLive && page.body.text.contains("Last errors"))
        #expect(page.body.text.contains("Retry its 4 failed or cancelled jobs"))
        #expect(
            try fixture.post("/runs/\(run.run)/retry") == "/runs/\(run.run)?done=retried")
        #expect(try fixture.queue.run(run.run).state == .running)
        #expect(
            try fixture.post("/runs/\(run.run)/cancel") == "/runs/\(run.run)?done=cancelled")
        #expect(try fixture.queue.run(run.run).state == .cancelled)
        let done = try fixture.enqueue([StageSpec(name: "one", job: JobSpec(kind: "work"))])
        let session = try fixture.queue.openSession(name: "worker-2")
        #expect(try fixture.queue.complete(fixture.claim(session), result: "{}") == .done)
        #expect(try fixture.refusal { _ = try fixture.post("/runs/\(done)/retry") } == .form)
    }

    @Test("what does not exist is not found")
    func unknown() throws {
        let fixture = try PageFixture(), run = try training(fixture).run
        #expect(throws: JobsError.self) { try fixture.page("/runs/99") }
        for target in [
            "/runs/x", "/runs/01", "/runs?state=odd", "/runs?before=-1",
            "/runs/\(run)/jobs?stage=none", "/runs/\(run)/jobs?stage=data&state=odd",
            "/runs/\(run)/jobs?stage=data&page=0", "/jobs/x", "/jobs/1/log?after=x",
        ] {
            #expect(try fixture.refusal { _ = try fixture.page(target) } == .notFound, "\(target)")
        }
    }

    @Test("hostile text is shown as text")
    func hostile() throws {
        let fixture = try PageFixture()
        let name = "a<script>b</script>&\"'"
        let run = try fixture.enqueue(
            [
                StageSpec(name: name, job: JobSpec(kind: "work")),
                StageSpec(name: "after", job: JobSpec(kind: "work"), needs: [name]),
            ], name: name)
        let session = try fixture.queue.openSession(name: Hostile.text, kinds: ["work"])
        let lease = try fixture.claim(session)
        try fixture.queue.progress(lease, fraction: 0.5, message: Hostile.text)
        try fixture.queue.log(lease, lines: [Hostile.text])
        let stage = HTML.encoded(name)
        let targets = [
            "/runs", "/runs/\(run)", "/runs/\(run)/jobs", "/runs/\(run)/jobs?stage=\(stage)",
            "/jobs/\(lease.jobID)", "/jobs/\(lease.jobID)/log", "/workers", "/queue",
        ]
        for target in targets {
            #expect(Hostile.isAbsent(from: try fixture.markup(target)), "\(target) while it runs")
        }
        #expect(try fixture.markup("/jobs/\(lease.jobID)").contains(Hostile.shown))
        #expect(try fixture.queue.fail(lease, error: Hostile.text, retry: false) == .done)
        for target in targets {
            let markup = try fixture.markup(target)
            #expect(Hostile.isAbsent(from: markup), "\(target) at the end")
        }
        #expect(try fixture.markup("/runs/\(run)").contains(Hostile.shown))
    }

    @Test("pages of 20,000 jobs are short: 200 jobs at a time")
    func manyJobs() throws {
        let fixture = try PageFixture()
        let run = try fixture.enqueue([
            StageSpec(name: "many", jobs: Array(repeating: JobSpec(kind: "work"), count: 20_000))
        ])
        let session = try fixture.queue.openSession(name: "worker", kinds: ["work"])
        for _ in 0..<20 {
            for lease in try fixture.queue.claim(session, kinds: ["work"], limit: 20) {
                #expect(try fixture.queue.fail(lease, error: "no", retry: false) == .done)
            }
        }
        let page = try fixture.markup("/runs/\(run)")
        #expect(page.utf8.count < 300_000 && page.contains("0 of 20000"))
        #expect(page.contains("20,000 jobs") || page.contains("0 of 20000 jobs"))
        let jobs = try fixture.markup("/runs/\(run)/jobs?stage=many")
        #expect(jobs.utf8.count < 300_000 && jobs.contains("page 1 of 100"))
        #expect(jobs.components(separatedBy: "<th scope=\"row\"").count - 1 == 200)
        let bad = try fixture.markup("/runs/\(run)/jobs?stage=many&state=discarded&page=2")
        #expect(bad.contains("page 2 of 2") && bad.contains("Earlier") && !bad.contains("Later"))
        let last = try fixture.markup("/runs/\(run)/jobs?stage=many&page=100")
        #expect(last.components(separatedBy: "<th scope=\"row\"").count - 1 == 200)
    }

    @Test("networks and sampled subnets are drawn over their costs and listed with their limits")
    func networks() throws {
        let fixture = try PageFixture(), run = try training(fixture)
        let store = ArtifactStore(fixture.connection), blobs = BlobStore(fixture.connection)
        let small = SearchSpace.fashion.smallest, large = SearchSpace.fashion.largest
        func record(_ kind: ArtifactRole, _ name: String, _ content: String, _ metadata: String)
            throws
        {
            try store.insert(
                Artifact.New(
                    kind: kind.rawValue, name: name,
                    digest: try blobs.put(Array(content.utf8), elementSize: 1),
                    metadataJSON: metadata, run: run.run, job: run.lease.jobID,
                    token: run.lease.token, stage: "full"))
        }
        var figures = NetworkFigures(
            device: Hostile.text, arch: small, predictedAccuracy: 0.907, testAccuracy: 0.895,
            latencyMs: 1.25, tableLatencyMs: 1.5, macs: 2_900_000, params: 290_000,
            flashBytes: 800_000, peakActivationBytes: 40_000, assumption: "none")
        figures.testImages = 10_000
        try record(.subnet, "watch", "weights", try JSONText.encode(figures))
        let samples = AccuracySamples(
            space: SearchSpace.fashion.name, images: 500,
            samples: [
                AccuracySample(config: small, accuracy: 0.8),
                AccuracySample(config: large, accuracy: 0.9),
            ], definition: SearchSpace.fashion)
        try record(.samples, "samples", try JSONText.encode(samples), "{}")
        try record(.samples, "damaged", "{}", "{}")
        let page = try fixture.markup("/runs/\(run.run)")
        for fact in [
            "90.70 %", "89.50 ± 0.31 %", "1.50 ms", "1.25 ms", "2,900,000", "781.2 KiB",
            "2 subnets measured on 500 held-out images, top-1 from 80.00 % to 90.00 %",
            "Left out: artifact 3", Hostile.shown,
            "\(ReportText.grouped(try NetworkCost(SearchSpace.fashion, large).macs)) MACs",
        ] {
            #expect(page.contains(fact), "\(fact)")
        }
        #expect(Hostile.isAbsent(from: page))
    }

    @Test("a role that only reads sees every page")
    func reader() throws {
        let fixture = try PageFixture(), run = try training(fixture)
        try fixture.queue.log(run.lease, lines: ["hello"])
        let reader = try fixture.reader()
        for target in [
            "/runs", "/runs/\(run.run)", "/runs/\(run.run)/jobs",
            "/runs/\(run.run)/jobs?stage=full&state=running", "/jobs/\(run.lease.jobID)",
            "/jobs/\(run.lease.jobID)/log", "/workers", "/queue",
        ] {
            #expect(try !fixture.markup(target, over: reader).isEmpty, "\(target)")
        }
    }
}
