// Measuring a table in rounds.
import Foundation
import Networks
import Tensors
import TestSupport
import Testing

@testable import Devices

@Suite struct LatencySurveyTests {
    private func measurement(threads: Int = 1) throws -> LatencyMeasurement {
        try LatencyMeasurement(
            supernet: try Weights(supernetOf: tinySpace, seed: 1), batch: 2, threads: threads)
    }

    @Test("the parts of a pass are as many as its keys, and together the pass")
    func parts() throws {
        let measurement = try measurement()
        let shape = try NetworkShape(tinySpace, tinySpace.largest)
        for pass in measurement.parts(shape, passes: 2) {
            #expect(pass.count == shape.latencyKeys.count)
            #expect(pass.allSatisfy { $0 > 0 })
        }
        #expect(measurement.whole(shape, passes: 2).count >= 2)
    }

    @Test("what is timed is the supernet's network, compiled")
    func compiled() throws {
        let weights = try Weights(supernetOf: tinySpace, seed: 1)
        let shape = try NetworkShape(tinySpace, tinySpace.smallest)
        let network = try LatencyMeasurement(supernet: weights, batch: 2).compiled(shape)
        #expect(network.shape == shape)
        let supernet = try Network(
            supernet: weights, of: tinySpace, engine: try CPUEngine(threads: 1))
        let storage = Storage(count: 2 * shape.resolution * shape.resolution * shape.inputChannels)
        storage.all.fill(with: 0.5)
        let images = Network.input(shape, images: 2, storage: storage)
        let whole = supernet.forward(images, shape, mode: .running).values
        let own = network.forward(images).values
        #expect(zip(whole, own).allSatisfy { abs($0 - $1) <= 1e-5 } && whole.count == own.count)
    }

    @Test("every part of every size is measured, and every whole network")
    func complete() throws {
        let measurement = try measurement()
        var survey = LatencySurvey(
            resolutions: tinySpace.resolutions, repeats: 4, wholeNetworks: 5, seed: 1)
        var fractions: [Double] = []
        while !survey.isDone {
            fractions.append(survey.fraction)
            try survey.step(tinySpace, measurement)
        }
        #expect(fractions == fractions.sorted() && fractions.first == 0 && survey.fraction == 1)
        for resolution in tinySpace.resolutions {
            #expect(try survey.table.missingKeys(tinySpace, resolution: resolution).isEmpty)
        }
        // Three passes of each of two networks at least; of more the middle half.
        let counts = survey.table.entries.values.flatMap(\.values).map(\.count)
        #expect(counts.allSatisfy { $0 >= 4 })
        #expect(survey.wholes.count == 5 && survey.knownEntries == 0)
        #expect(Set(survey.wholes.map(\.arch.resolution)) == Set(tinySpace.resolutions))
        let check = try LatencyCheck(survey.table, survey.wholes, tinySpace)
        #expect(check.rows.count == 5 && check.meanError <= check.worstError)
    }

    @Test("a survey that was saved goes on where it was, with the same networks")
    func resumed() throws {
        let measurement = try measurement()
        var survey = LatencySurvey(
            resolutions: [16, 24], repeats: 4, wholeNetworks: 4, seed: 9)
        var whole = survey
        for _ in 0..<3 { try survey.step(tinySpace, measurement) }
        let saved = try JSONEncoder().encode(survey)
        var resumed = try JSONDecoder().decode(LatencySurvey.self, from: saved)
        #expect(resumed.fraction == survey.fraction && !resumed.isDone)
        while !resumed.isDone { try resumed.step(tinySpace, measurement) }
        while !whole.isDone { try whole.step(tinySpace, measurement) }
        #expect(resumed.wholes.map(\.arch) == whole.wholes.map(\.arch))
        #expect(resumed.measuredEntries == whole.measuredEntries)
    }

    @Test("a survey goes on only with the method and the threads of its timings")
    func continued() throws {
        let survey = LatencySurvey(
            resolutions: [16], repeats: 4, wholeNetworks: 4, seed: 9, threads: 2)
        let (one, two) = (try measurement(), try measurement(threads: 2))
        #expect(survey.isContinued(by: two) && !survey.isContinued(by: one))
        // A survey of a version that timed networks in place names no method.
        let text = String(decoding: try JSONEncoder().encode(survey), as: UTF8.self)
        let method = #""method":"\#(LatencyMeasurement.method)""#
        #expect(text.contains(method))
        func read(_ text: String) throws -> LatencySurvey {
            try JSONDecoder().decode(LatencySurvey.self, from: Data(text.utf8))
        }
        #expect(throws: DecodingError.self) {
            try read(text.replacing(method + ",", with: "").replacing("," + method, with: ""))
        }
        let other = try read(text.replacing(method, with: #""method":"another""#))
        #expect(!other.isContinued(by: two))
    }

    @Test("entries that are known are kept and not measured again")
    func known() throws {
        let measurement = try measurement()
        let keys = try LatencyKey.all(in: tinySpace, resolution: 24)
        var table = LatencyTable()
        for key in keys.dropLast(3) { table[24, key] = LatencyEntry(count: 1, mean: 77, std: 0) }
        var survey = LatencySurvey(
            resolutions: [24], known: table, repeats: 3, wholeNetworks: 2, seed: 1)
        while !survey.isDone { try survey.step(tinySpace, measurement) }
        #expect(survey.knownEntries == keys.count - 3 && survey.measuredEntries == 3)
        for key in keys.dropLast(3) { #expect(survey.table[24, key]?.mean == 77) }
        for key in keys.suffix(3) { #expect(try #require(survey.table[24, key]).mean < 77) }
    }

    @Test("a size at which nothing is left to measure is passed by")
    func nothingLeft() throws {
        let measurement = try measurement()
        var table = LatencyTable()
        for resolution in [16, 24] {
            for key in try LatencyKey.all(in: tinySpace, resolution: resolution) {
                table[resolution, key] = LatencyEntry(count: 1, mean: 77, std: 0)
            }
        }
        // One whole network for two sizes: the second has none.
        var survey = LatencySurvey(
            resolutions: [16, 24], known: table, repeats: 4, wholeNetworks: 1, seed: 1)
        while !survey.isDone { try survey.step(tinySpace, measurement) }
        #expect(survey.wholes.count == 1 && survey.measuredEntries == 0)
        #expect(survey.table == table)
    }

    @Test("disturbed timings are left out, and the percentiles tell of them")
    func disturbed() throws {
        let quiet = (0..<80).map { 1 + 0.001 * Double($0) }
        let entry = LatencyEntry(timings: quiet + Array(repeating: 5, count: 20))
        #expect(entry.count == 80)
        // The mean of 1 … 1.079 in steps of a thousandth; 80 sums round below 1e-12.
        #expect(abs(entry.mean - 1.0395) < 1e-12)
        let spread = try #require(entry.spread)
        #expect(spread.outliers == 20 && spread.p50 == 1.05 && spread.p90 == 5)
        #expect(spread.p10 == 1.01 && spread.p99 == 5)
    }
}
