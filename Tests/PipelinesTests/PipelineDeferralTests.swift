// The keys of a pipeline file for a start that may wait: times with a zone, and errors with their line.

import Accounting
import Artifacts
import Foundation
import Testing

@testable import Pipelines

@Suite struct PipelineDeferralTests {
    private func read(_ lines: String, set: [String] = []) throws -> Deferral? {
        try SmallPipeline.read(
            SmallPipeline.good.replacing("seed: 7", with: "seed: 7\n\(lines)"), set: set
        ).deferral
    }

    @Test("a deferrable run has a deadline, and may have an earliest start and a duration")
    func good() throws {
        #expect(try SmallPipeline.read(SmallPipeline.good).deferral == nil)
        let all = try read(
            """
            deferrable: true
            earliest: 2026-12-01T18:00+01:00
            deadline: "2026-12-02T07:00:00Z"
            duration: 1.5h
            """)
        let earliest = Date(timeIntervalSince1970: 1_796_144_400)
        #expect(
            all
                == Deferral(
                    earliest: earliest, deadline: earliest + 14 * 3600, seconds: 5400))
        let least = try read("deferrable: true\ndeadline: 2026-12-02T07:00Z")
        #expect(least == Deferral(deadline: earliest + 14 * 3600))
        #expect(
            try read(
                "deferrable: true\ndeadline: 2026-12-02T07:00Z", set: ["deferrable=false"]) == nil)
        #expect(
            try read(
                "deferrable: false\ndeadline: 2026-12-02T07:00Z",
                set: ["deferrable=true", "deadline=2026-12-02T08:00+01:00"]) == least)
    }

    @Test("the hash of a definition is without these keys; that of earlier versions is known")
    func hash() throws {
        func definition(_ lines: String, set: [String] = []) throws -> PipelineDefinition {
            try SmallPipeline.read(
                SmallPipeline.good.replacing("seed: 7", with: "seed: 7\n\(lines)"), set: set)
        }
        func digest(_ text: String) -> String { Digest.of(Array(text.utf8)).hex }
        let plain = try SmallPipeline.read(SmallPipeline.good)
        #expect(plain.hash == digest(plain.text) && plain.formerHash == nil)
        let one = try definition(
            "deferrable: true\ndeadline: 2026-12-02T07:00Z  # soon\nduration: 1h")
        let other = try definition(
            "deferrable: true\nearliest: 2026-12-01T07:00Z\n\"deadline\":\n  2026-12-03T07:00Z")
        #expect(other.deferral?.earliest != nil)
        #expect(one.hash == plain.hash && other.hash == plain.hash && one.text != other.text)
        #expect(one.formerHash == digest(one.text) && other.formerHash == digest(other.text))
        let set = try SmallPipeline.read(
            SmallPipeline.good, set: ["deferrable=true", "deadline=2026-12-02T07:00Z"])
        #expect(set.hash == plain.hash && set.text.contains("# --set deadline=2026"))
        // All other keys and overrides count.
        #expect(try definition("deferrable: false\nepoch_scale: 0.5").hash != plain.hash)
        #expect(
            try definition("deferrable: false", set: ["stages.full.epochs=2"]).hash != plain.hash)
    }

    @Test(
        "lines of keys are left out with their values, and with nothing else",
        arguments: [
            ("a: 1\ndeadline: b\nc: 2\n", "a: 1\nc: 2\n"),
            ("  a: 1\n  deadline: b\n  c: 2\n", "  a: 1\n  c: 2\n"),
            ("deadline: b\n  d\n# of c\nc:\n  deadline: 2", "# of c\nc:\n  deadline: 2"),
            ("a: 1\r\ndeadline: b\r\nc: 2", "a: 1\r\nc: 2"),
            ("{a: 1, deadline: b}\n", "{a: 1, deadline: b}\n"),
        ])
    func lines(text: String, rest: String) throws {
        #expect(try YAMLDocument(text, file: "p.yaml").text(without: ["deadline"]) == rest)
    }

    @Test("in the night in which summer time ends, both hours of that name can be said")
    func summerTimeEnds() throws {
        func deadline(_ text: String) throws -> Date? {
            try read("deferrable: true\ndeadline: \(text)")?.deadline
        }
        let first = try #require(try deadline("2026-10-25T02:30+02:00"))
        #expect(try deadline("2026-10-25T02:30+01:00") == first + 3600)
        #expect(try deadline("2026-10-25T00:30Z") == first)
    }

    @Test(
        "what is senseless is an error with its line, key and remedy",
        arguments: [
            (
                "deadline: 2026-12-02T07:00Z",
                "p.yaml:3: deadline is for a run whose start may wait: add deferrable: true"
            ),
            (
                "earliest: 2026-12-02T07:00Z\nduration: 1h",
                "p.yaml:3: earliest is for a run whose start may wait"
            ),
            ("deferrable: true", "p.yaml:3: deferrable is true without a deadline"),
            ("deferrable: yes", "p.yaml:3: deferrable must be true or false"),
            (
                "deferrable: true\ndeadline: 2026-10-25T02:30",
                "p.yaml:4: deadline is '2026-10-25T02:30': say which time it is"
            ),
            ("deferrable: true\ndeadline: tomorrow", "p.yaml:4: deadline is 'tomorrow'"),
            (
                "deferrable: true\ndeadline: 2026-12-02T07:00Z\nearliest: 2026-12-02T08:00+01:00",
                "p.yaml:4: deadline is not after earliest"
            ),
            (
                "deferrable: true\ndeadline: 2026-12-02T07:00Z\nduration: 1h30m",
                "p.yaml:5: duration is '1h30m': write a number with"
            ),
            (
                "deferrable: true\ndeadlime: 2026-12-02T07:00Z",
                "p.yaml:4: deadlime is not a known key"
            ),
        ])
    func wrong(lines: String, start: String) throws {
        let error = try #require(throws: PipelineError.self) { try read(lines) }
        #expect(error.message.hasPrefix(start), "\(error.message)")
    }
}
