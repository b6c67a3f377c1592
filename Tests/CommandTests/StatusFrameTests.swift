// The frame of `ofa status --watch` at every size: what gives way when rows or columns are few, and that the frame says so.
import Foundation
import Intake
import Testing

@testable import Jobs
@testable import ofa

@Suite struct StatusFrameTests {
    private static let start = Date(timeIntervalSince1970: 1_800_000_000)

    private static func stage(
        _ name: String, _ state: StageStatus.State, progress: Double = 0, problem: String? = nil
    ) -> StageStatus {
        let isBegun = ![.blocked, .available].contains(state)
        return StageStatus(
            name: name, state: state, needs: [], counts: [:], jobs: 1, progress: progress,
            message: state == .running ? "step 400/859, loss 0.860, accuracy 84.0 %" : nil,
            attempts: isBegun ? 1 : 0, failures: 0, lost: 0, startedAt: isBegun ? start : nil,
            endedAt: nil, attemptSeconds: isBegun ? 100 : 0, problem: problem)
    }

    /// Sixteen stages: done, running, failed and waiting ones; a name with wide characters.
    static func reading(state: RunSummary.State = .running) -> StatusReading {
        var stages = (1...6).map { stage("done-\($0)", .completed, progress: 1) }
        stages.append(stage("full", .running, progress: 0.5))
        stages.append(stage("装置の訓練", .running, progress: 0.25))
        stages.append(
            stage(
                "accuracy", .retryable,
                problem: "the first\u{1B}[2Jshard was damaged: read it again"))
        stages += (1...7).map { stage("search-a-device-with-a-long-name-\($0)", .blocked) }
        var curve = TrainingCurve(job: 1, stage: "full", lastStep: 400)
        curve.points = (0..<100).map { point in
            StepMetrics(
                firstStep: 4 * point + 1, lastStep: 4 * point + 4, skipped: 0, networks: 4,
                images: 512, seconds: 0.5, learningRate: 0.1, loss: 2.3 - 0.02 * Double(point),
                distillationLoss: nil, accuracy: 0.5, gradientNorm: 1)
        }
        curve.validations = [("largest", 0.912), ("smallest", 0.88)].map {
            ValidationMetrics(
                step: 400, network: $0, arch: "{}", accuracy: $1, loss: 0.3, images: 5000)
        }
        let workers = (1...3).map {
            WorkerStatus(
                id: $0, name: "worker", host: "host-\($0)", process: 100, version: "1", slots: 2,
                workingSlots: 2, kinds: ["train"], offers: [], duties: [], openedAt: start,
                beatAt: start + 99)
        }
        return StatusReading(
            status: RunStatus(
                run: RunSummary(
                    id: 7, name: "小さい-run", state: state, isCancelRequested: false,
                    definitionHash: "", definition: "", createdAt: start, endedAt: nil),
                stages: stages, asOf: start + 100),
            used: StatusReading.Used(joules: 1234.4, grams: 0.0712, isKnown: true),
            joules: ["full": 1000], curves: [curve], workers: workers)
    }

    private func texts(
        _ columns: Int, _ rows: Int, of reading: StatusReading? = reading(), silent: Double = 0
    ) -> [String] {
        StatusFrame(reading: reading, secondsLeft: 100, silentSeconds: silent)
            .lines(in: ScreenSize(columns: columns, rows: rows)).map(\.text)
    }

    @Test(
        "80 by 24 shows stages, loss and errors; with fewer rows it counts the stages that have none"
    )
    func usual() throws {
        let lines = texts(80, 24)
        #expect(lines.count == 24)
        #expect(lines[0] == "run 7 小さい-run: running, 1 min 40 s")
        #expect(
            lines[1].hasPrefix("6 of 16 stages done · about 1 min 30 s left · 1,234 J, 0.071 gCO2e")
        )
        #expect(lines[2].hasSuffix("3 workers, 6 slots"))
        let full = try #require(lines.first { $0.hasPrefix("full  ") })
        #expect(full.contains("━━━━━━──────  50 %"))
        #expect(full.contains("1,024 images/s"))
        let wide = try #require(lines.first { $0.hasPrefix("装置の訓練 ") })
        #expect(wide.contains("━━━─────────  25 %"))
        #expect(lines.contains { $0.hasPrefix("full: loss █") && $0.contains("0.320") })
        #expect(lines.contains { $0.contains("largest 91.2 %, smallest 88.0 %") })
        #expect(
            lines.contains {
                $0 == #"✗ accuracy: the first\u{1B}[2Jshard was damaged: read it again"#
            })
        #expect(lines[23].hasPrefix("q leaves · as of 08:01:40 UTC · no room for ENERGY J, "))
        let low = texts(80, 20)
        #expect(low.contains("4 more stages: 4 completed"))
        #expect(
            low.contains { $0.hasPrefix("done-6 ") } && !low.contains { $0.hasPrefix("done-1 ") })
    }

    @Test("200 by 60 shows everything, with messages and workers, and leaves nothing out")
    func large() {
        let lines = texts(200, 60)
        #expect(lines.count == 60)
        #expect(lines.filter { $0.hasPrefix("search-a-device-with-a-long-name-") }.count == 7)
        #expect(lines.contains { $0.contains("step 400/859, loss 0.860") })
        #expect(lines.filter { $0.hasPrefix("worker on host-") }.count == 3)
        #expect(!lines.contains { $0.contains("no room") || $0.contains(" more ") })
        #expect(lines[59] == "q leaves · as of 08:01:40 UTC")
    }

    @Test("no size has more or wider lines than the terminal; what runs or failed stays longest")
    func sizes() {
        for rows in 1...40 {
            for columns in [1, 8, 20, 40, 60, 79, 80, 81, 120, 199, 200] {
                let lines = texts(columns, rows)
                #expect(lines.count == rows)
                #expect(lines.allSatisfy { Shown.cells($0) <= columns }, "\(columns) × \(rows)")
                #expect(!lines.contains { $0.unicodeScalars.contains(where: Shown.isUnprintable) })
                guard columns >= 40 else { continue }
                if rows >= 9 {
                    for name in ["full", "装置の訓練", "accuracy"] {
                        #expect(lines.contains { $0.hasPrefix(name) }, "\(columns) × \(rows)")
                    }
                }
                let shown = lines.count { $0.hasPrefix("done-") || $0.hasPrefix("search-a-dev") }
                if rows >= 9, shown < 13 {
                    #expect(lines.contains { $0.contains(" more stage") }, "\(columns) × \(rows)")
                }
            }
        }
    }

    @Test("a silent database and a run without workers are said")
    func troubles() throws {
        #expect(
            texts(80, 24, silent: 12.3).last
                == "the database has not answered for 12 s · q leaves")
        var reading = Self.reading()
        reading.workers = []
        reading.status = RunStatus(
            run: reading.status.run, stages: [Self.stage("a", .available)],
            asOf: reading.status.asOf)
        #expect(texts(80, 24, of: reading).contains { $0.hasPrefix("no worker is alive") })
        #expect(texts(80, 24, of: nil) == ["reading the status of the run"])
    }

    @Test("bars are heavy for what is done, to half a cell")
    func bars() {
        #expect(StageRows.bar(0, 4) == "────")
        #expect(StageRows.bar(0.13, 4) == "╸───")
        #expect(StageRows.bar(0.5, 4) == "━━──")
        #expect(StageRows.bar(2, 4) == "━━━━")
        #expect(TrainingLine.thinned([1, 3, nil, 5, nil, nil], to: 3) == [2, 5, nil])
    }
}
