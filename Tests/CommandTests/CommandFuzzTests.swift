// Mutated command lines: each is parsed or refused with a reason; through the real program a refused one leaves no row.
import ArgumentParser
import Foundation
import Interchange
import Postgres
import TestSupport
import Testing

@testable import ofa

@Suite struct CommandFuzzTests {
    private static let corpus = [
        "enqueue tiny.yaml --set stages.full.epochs=1 --name short --every 1d --at 03:00",
        "run tiny.yaml --workers 2 --memory-mb 4000 --limit train=1 --json",
        "worker --slots 2 --kinds search,train --threads 4 --until-idle",
        "device add box --kind phone --max-macs 3000000 --max-latency-ms 2.5 --batch 1",
        "device measure pc --resolutions 20,28 --repeats 10", "device remove box",
        "specialize --device box --budget max-macs=3000000,max-flash-kb=200 --run 3",
        "search --space fashion-mbv3 --predictor 1 --max-macs 1e6 --seed 3 --resolutions 28",
        "arch cost --space fashion-mbv3 --arch {\"d\":[2]} --device box --bytes-per-weight 1",
        "jobs --run 1 --state running --limit 10", "job show 1", "job retry --run 2",
        "cost 1 --by device",
        "cost --since 2026-01-31 --factors 1",
        "cost 1 --until 2026-01-31 --by zone --intensity direct-average --csv",
        "factors import f.csv --note hourly --base 1", "factors show 1 --zone DEU",
        "queue limit gpu 2", "queue pause default",
        "artifacts list --kind predictor", "artifacts get 1 -o out.bin", "lineage up 1 --limit 5",
        "import supernet w.pth --space fashion-mbv3 --mean 0.5 --std 0.25 --kernel-sizes 3,5 --part ema",
        "predictor fit m.csv --space fashion-mbv3 --percent --method ridge --seed 3 --name fitted",
        "status --all", "report 1 --html out.html", "space list", "queue recurring remove x",
    ]

    /// An error that is none of the user's.
    private struct Unexpected: Error, CustomStringConvertible { let description: String }

    /// Errors that tell the user what is wrong; the parser's own exits with 64 or prints help.
    private struct Refusal: Error, CustomStringConvertible { let description: String }

    @Test("a mutated command line is parsed or refused with a reason")
    func parsing() throws {
        let words = [
            "--json", "--help", "--", "-o", "--set", "--name", "help", "1e3", "max-macs=1",
        ]
        try Mutations("commands", of: Self.corpus, words: words).run(
            Mutations.cases(share: 0.05), throwing: Refusal.self
        ) { bytes in
            let line = String(decoding: bytes, as: UTF8.self)
            let arguments = line.split(separator: " ", omittingEmptySubsequences: false).map(
                String.init)
            do {
                _ = try Ofa.parseAsRoot(try ArgumentGate.arguments(arguments))
            } catch {
                let code = Ofa.exitCode(for: error)
                let text = Ofa.fullMessage(for: error)
                guard [0, 64].contains(code.rawValue), !text.isEmpty else {
                    throw Unexpected(description: "exit code \(code.rawValue), '\(text)': \(error)")
                }
                throw Refusal(description: text)
            }
        }
    }

    @Test("the tensors of a mutated predictor and mutated lists of numbers are read or refused")
    func importing() throws {
        let made = CheckpointBytes()
        let layer = made.tensor(shape: [1, 6], strides: [6, 1])
        let files = [
            made.zip(made.table([("fc.weight", layer), ("base_acc", made.int(1))])),
            made.legacy(
                made.table([
                    ("layers.0.weight", layer),
                    ("base_acc", made.tensor(shape: [1], strides: [1], type: "LongStorage")),
                ])),
            try Safetensors.encode(["0.weight": .init(shape: [1, 2], values: [1, 2])]),
        ]
        try Mutations("predictor-tensors", of: files, words: ["base_acc", "weight", "F64"]).run(
            Mutations.cases(share: 0.05), throwing: InterchangeError.self
        ) { bytes in
            for tensor in try (PredictorTensors.read(bytes) ?? [:]).values {
                #expect(tensor.shape.reduce(1, *) == tensor.values.count)
            }
        }
        try Mutations("number-lists", of: ["0.485,0.456,0.406", "160, 192,224"]).run(
            Mutations.cases(share: 0.05), throwing: ValidationError.self
        ) { bytes in
            let text = String(decoding: bytes, as: UTF8.self)
            for number in try NumberList.read(text, "--mean", in: 1e-6...1e3) {
                #expect((1e-6...1e3).contains(number))
            }
        }
    }

    @Test(
        "a mutated command that is refused leaves no row, and no error of the database is shown",
        .timeLimit(.minutes(10)))
    func commands() throws {
        let place = try CommandPlace()
        // Those that neither work jobs nor wait for anything.
        let corpus = Self.corpus.filter { line in
            !["run", "worker", "device measure", "specialize", "artifacts get"].contains {
                line.hasPrefix($0)
            }
        }
        let tables = [
            "run", "job", "lane", "device", "artifact", "recurring", "permit_key", "paused_queue",
        ]
        let counts = tables.map { "(select count(*) from ofa.\($0))" }.joined(
            separator: " || ' ' || ")
        let statement = Statement(name: "Counts", sql: "select \(counts) as rows")
        let connection = try place.database.connect()
        let mutations = Mutations("programs", of: corpus)
        for number in 0..<max(20, Mutations.cases(share: 0.0006)) {
            let text = String(decoding: mutations.input(number), as: UTF8.self)
            let arguments = text.replacingOccurrences(of: "\0", with: "").split(separator: " ").map(
                String.init)
            guard !["run", "worker", "specialize", "db"].contains(arguments.first ?? "") else {
                continue
            }
            let before = try connection.queryOne(statement).text("rows")
            let run = try place.ofa(arguments)
            #expect(
                [0, 1, 2, 64].contains(run.status),
                "seed \(mutations.seed), case \(number): \(arguments), \(run.status): \(run.errors)"
            )
            #expect(
                !run.errors.contains("SQLSTATE"),
                "seed \(mutations.seed), case \(number): \(arguments): \(run.errors)")
            if run.status != 0 {
                #expect(
                    try connection.queryOne(statement).text("rows") == before,
                    "seed \(mutations.seed), case \(number): \(arguments) left rows")
                #expect(!run.errors.isEmpty, "case \(number): \(arguments) says nothing")
            }
        }
    }
}
