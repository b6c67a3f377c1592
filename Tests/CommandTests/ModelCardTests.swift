// Model cards and the metadata of ONNX models, of networks for devices: each value is that of the figures, or that which
// `ofa cost` shows.
import Artifacts
import Datasets
import Foundation
import Networks
import TestSupport
import Testing

@testable import Pipelines

@Suite struct ModelCardTests {
    private let place: CommandPlace
    private let network = "fashion-mbv3-this-machine"

    init() throws { place = try .withPictures(whole: true) }

    @Test("a card and a model's metadata have the network's data, accuracies, limits and costs")
    func journey() throws {
        try dataAndAccuracy()
        try limits()
        try costsOfPrediction()
        try metadata()
        try energy()
        try laterRun()
        try brought()
        try gaps()
        try unknownZone()
    }

    /// The lines of the card of `name`.
    private func card(_ name: String) throws -> [String] {
        _ = try place.document("export", name, "--force", "-o", "card.onnx")
        return String(decoding: try place.bytes("card.onnx.md"), as: UTF8.self)
            .components(separatedBy: "\n")
    }

    private func dataAndAccuracy() throws {
        let lines = try card(network), figures = try place.figures(network)
        for (part, name, images) in [
            ("training", "tiny-dataset", "200 trained on, 100 held out"),
            ("test", "tiny-test-images", "100"),
        ] {
            let digest = try place.artifact(name).digest.hex
            #expect(lines.contains("| \(part) | \(name) | \(images) | `\(digest)` |"), "\(lines)")
        }
        #expect(
            lines.contains(
                #"Classes: a \<b\>, b \& w, c "q", d\\x, e\*f\|g, f, g, h, i, j."#), "\(lines)")
        func share(_ value: Double?, _ error: Double?) throws -> String {
            ReportText.percent(try #require(value))
                + (error.map { " ± " + ReportText.decimal(100 * $0, 2) } ?? "")
        }
        let held = try share(figures.heldOutAccuracy, figures.heldOutError)
        let predicted = try share(figures.predictedAccuracy, figures.accuracyUncertainty)
        let test = try share(figures.testAccuracy, figures.testError)
        let images = try #require(figures.heldOutImages)
        for row in [
            "| test images | \(test) | 100 |",
            "| held-out images | \(held) | \(images) |", "| predicted | \(predicted) | – |",
        ] { #expect(lines.contains(row), "\(row) of \(lines)") }
        let largest = try card("fashion-mbv3-largest")
        #expect(!largest.contains { $0.hasPrefix("| predicted") })
        #expect(largest.contains("The network was made without limits."))
    }

    private func limits() throws {
        let figures = try place.figures(network)
        let latency = ReportText.amount(try #require(figures.latencyMs))
        #expect(
            try card(network).contains("| `max_latency_ms` | 50 ms | \(latency) ms | met |"))
        try place.copy(network, as: "slow", metadata: { $0["latencyMs"] = 60.5 })
        #expect(
            try card("slow").contains("| `max_latency_ms` | 50 ms | 60.5 ms | not met |"))
        try place.copy(
            network, as: "untimed",
            metadata: {
                $0["latencyMs"] = nil
                $0["tableLatencyMs"] = nil
            })
        #expect(
            try card("untimed").contains(
                "| `max_latency_ms` | 50 ms | not known | not known |"))
    }

    /// Costs are those of a batch, and say of how many images.
    private func costsOfPrediction() throws {
        let figures = try place.figures(network), lines = try card(network)
        func amount(_ value: Double?) throws -> String {
            ReportText.amount(try #require(value))
        }
        let (low, high) = (try amount(figures.latencyMsLow), try amount(figures.latencyMsHigh))
        let measured = try amount(figures.latencyMs), table = try amount(figures.tableLatencyMs)
        let energy = try amount(figures.energyMJ)
        let memory = ReportText.bytes(figures.peakActivationBytes)
        let error = figures.latencyError.map {
            " (the table's mean error is \(ReportText.smallPercent($0)))"
        }
        for row in [
            "| peak memory of activations, batch of 1 | \(memory) |",
            "| latency of a batch of 1, by table | \(table) ms\(error ?? "") |",
            "| latency of a batch of 1, measured on one thread of the machine that made the network"
                + " | \(measured) ms (10th to 90th percentile \(low)…\(high)) |",
            "| energy of a batch of 1, by table or model | \(energy) mJ |",
        ] { #expect(lines.contains(row), "\(row) of \(lines)") }
        try place.copy(
            network, as: "of-four",
            metadata: { fields in
                var target = fields["target"] as? [String: Any] ?? [:]
                target["batch"] = 4
                fields["target"] = target
            })
        let four = try card("of-four")
        #expect(four.filter { $0.contains("batch of 4") }.count == 4, "\(four)")
        #expect(!four.contains { $0.contains("batch of 1") })
    }

    private func metadata() throws {
        let figures = try place.figures(network), artifact = try place.artifact(network)
        _ = try card(network)
        let values = Self.properties(try place.bytes("card.onnx"))
        #expect(
            Set(values.keys) == [
                "name", "digest", "space", "architecture", "resolution", "input", "normalisation",
                "preprocessing", "accuracy", "lineage", "classes",
            ])
        #expect(values["name"] == network && values["digest"] == artifact.digest.hex)
        #expect(values["space"] == "fashion-mbv3" && values["input"] == "normalised")
        #expect(values["resolution"] == "\(figures.arch.resolution)")
        #expect(values["preprocessing"]?.hasPrefix("grey; resize the shorter side to ") == true)
        func value<Value: Decodable>(_ key: String, as type: Value.Type) throws -> Value {
            try JSONText.decode(type, from: try #require(values[key]), what: key)
        }
        #expect(try SubnetConfig(json: try #require(values["architecture"])) == figures.arch)
        #expect(
            try value("normalisation", as: PixelNormalization.self)
                == figures.input?.normalization)
        #expect(
            try value("classes", as: [ByteName].self)
                == CommandPlace.classNames.map { ByteName($0) })
        let accuracy = try value("accuracy", as: [String: Double].self)
        let expected: [String: Double?] = [
            "test": figures.testAccuracy, "test_images": 100,
            "predicted": figures.predictedAccuracy,
            "predicted_error": figures.accuracyUncertainty, "held_out": figures.heldOutAccuracy,
            "held_out_images": figures.heldOutImages.map(Double.init),
        ]
        #expect(accuracy == expected.compactMapValues { $0 } && accuracy["held_out"] != nil)
        struct Origin: Decodable {
            struct Parent: Decodable { let role, kind, name, digest: String }
            let stage: String
            let inputs: [Parent]
        }
        let origin = try value("lineage", as: Origin.self)
        #expect(origin.stage == "network")
        for (role, name) in [
            ("dataset", "tiny-dataset"), ("supernet", "fashion-mbv3-full"),
            ("test-images", "tiny-test-images"),
        ] {
            let parent = origin.inputs.first { $0.role == role && $0.name == name }
            let digest = try place.artifact(name).digest.hex
            #expect(parent?.digest == digest, "\(role)")
        }
        _ = try place.document("export", network, "--normalise", "-o", "pixels.onnx")
        var pixels = Self.properties(try place.bytes("pixels.onnx"))
        #expect(pixels["input"] == "pixels")
        pixels["input"] = "normalised"
        #expect(pixels == values)
    }

    /// Reads the texts of `metadata_props` (field 14) of a model; each entry has a key (1) and a value (2).
    private static func properties(_ model: [UInt8]) -> [String: String] {
        func fields(_ bytes: ArraySlice<UInt8>) -> [(number: UInt64, bytes: ArraySlice<UInt8>)] {
            var rest = bytes
            var found: [(number: UInt64, bytes: ArraySlice<UInt8>)] = []
            func varint() -> UInt64 {
                var (value, shift): (UInt64, UInt64) = (0, 0)
                while let byte = rest.popFirst() {
                    value |= UInt64(byte & 0x7F) << shift
                    shift += 7
                    if byte < 0x80 { break }
                }
                return value
            }
            while !rest.isEmpty {
                let key = varint(), length = varint()
                // Wire type 2 has a length; a model's other fields are plain numbers.
                guard key & 7 == 2 else { continue }
                found.append((key >> 3, rest.prefix(Int(length))))
                rest = rest.dropFirst(Int(length))
            }
            return found
        }
        let entries = fields(model[...]).filter { $0.number == 14 }.map { fields($0.bytes) }
        let pairs = entries.map { entry in
            [1, 2].map { number in
                String(
                    decoding: entry.first { $0.number == number }?.bytes ?? [], as: UTF8.self)
            }
        }
        return Dictionary(pairs.map { ($0[0], $0[1]) }) { first, _ in first }
    }

    /// The rows of `ofa cost`, by device or by stage.
    private func costs(_ run: Int, by grouping: String) throws -> [String: [String: Any]] {
        let rows = try #require(
            place.document("cost", "\(run)", "--by", grouping)["rows"] as? [[String: Any]])
        return Dictionary(uniqueKeysWithValues: rows.map { ($0[grouping] as? String ?? "", $0) })
    }

    /// The beginning of the card's row that shows a row of `ofa cost`, up to the number of attempts.
    private func shown(_ name: String, _ cost: [String: Any]?) throws -> String {
        let cost = try #require(cost)
        func amounts(_ name: String) throws -> [String] {
            try [name, name + "_low", name + "_high"].map {
                ReportText.amount(try #require(cost[$0] as? Double))
            }
        }
        let (joules, grams) = (try amounts("energy_j"), try amounts("gco2e"))
        let attempts = try #require(cost["attempts"] as? Int)
        return "| \(name) | \(joules[0]) J (\(joules[1])…\(joules[2]))"
            + " | \(grams[0]) g (\(grams[1])…\(grams[2])) | \(attempts)"
    }

    private func energy() throws {
        let costs = try costs(1, by: "device"), lines = try card(network)
        #expect(Set(costs.keys) == ["(shared)", "this-machine"])
        let tier = try #require(costs["this-machine"]?["tier"] as? String)
        let own = try shown("this network", costs["this-machine"]) + " | \(tier) ("
        let others = try shown(
            "everything else in run 1, which trained its supernet", costs["(shared)"])
        #expect(lines.contains { $0.hasPrefix(own) }, "\(own) of \(lines)")
        #expect(lines.contains { $0.hasPrefix(others + " | ") }, "\(others) of \(lines)")
        #expect(lines.contains { $0.hasPrefix("Methods: ") })
        // A network for no device costs what its stage costs.
        let stages = try self.costs(1, by: "stage"), largest = try card("fashion-mbv3-largest")
        let stage = try shown("this network", stages["largest"])
        #expect(largest.contains { $0.hasPrefix(stage + " | ") }, "\(stage) of \(largest)")
        let rest = stages.filter { $0.key != "largest" }.values
        let microjoules = rest.compactMap { $0["energy_uj"] as? Int }.reduce(0, +)
        let joules = ReportText.amount(Double(microjoules) / 1e6)
        #expect(
            largest.contains {
                $0.hasPrefix("| everything else in run 1, which trained its supernet | \(joules) J")
            }, "\(joules) of \(largest)")
    }

    /// A network that a later run made: the run that trained the supernet is a cost of its own.
    private func laterRun() throws {
        _ = try place.document("device", "add", "watch", "--kind", "phone", "--max-macs", "2000000")
        let report = try place.document("specialize", "--device", "watch", "--wait")
        let run = try #require(report["run"] as? Int)
        let lines = try card("fashion-mbv3-watch")
        let own = try shown("this network", try costs(run, by: "device")["watch"])
        #expect(lines.contains { $0.hasPrefix(own + " | ") }, "\(own) of \(lines)")
        let total = try shown(
            "the whole of run 1, which trained its supernet",
            try place.document("cost", "1", "--by", "device")["total"] as? [String: Any])
        #expect(lines.contains { $0.hasPrefix(total + " | ") }, "\(total) of \(lines)")
        let macs = ReportText.grouped(try place.figures("fashion-mbv3-watch").macs)
        #expect(lines.contains("| `max_macs` | 2,000,000 MACs | \(macs) MACs | met |"))
    }

    /// A network that a user supplied has no recorded costs, which the card says.
    private func brought() throws {
        try place.copy(network, as: "brought", from: .user)
        let lines = try card("brought")
        for row in ["this network", "training of its supernet"] {
            #expect(lines.contains("| \(row) | not recorded | not recorded | – | – |"), "\(lines)")
        }
        #expect(lines.contains("The data sets are not recorded."))
    }

    private func gaps() throws {
        try place.database.connect().script(
            """
            insert into ofa.spent
            select account_id, host_id, day, '', 'gap: lost without a meter row', '', 1, 1, 0, 1, 1,
              1000, 0, 0, 0, 0, first_started_at, first_token
            from ofa.spent join ofa.account on account.id = account_id
            where run_id = 1 and stage = 'network' limit 1;
            update ofa.spent set gaps = attempts, energy_uj = 0, energy_low_uj = 0,
              energy_high_uj = 0, tier = '', zone = ''
            where account_id in (
              select id from ofa.account where run_id = 1 and stage = 'largest');
            delete from ofa.energy_hour where account_id in (
              select id from ofa.account where run_id = 1 and stage = 'largest');
            """)
        let cost = try #require(costs(1, by: "device")["this-machine"])
        #expect(cost["gaps"] as? Int == 1)
        let own = try shown("this network", cost)
        let lines = try card(network)
        #expect(
            lines.contains {
                $0.hasPrefix(own + ", 1 of them not metered: their energy is missing | ")
            }, "\(own) of \(lines)")
        #expect(
            try card("fashion-mbv3-largest").contains(
                "| this network | not metered | not metered | 1 | – |"))
    }

    /// Carbon that cannot be computed does not stop an export.
    private func unknownZone() throws {
        try place.database.connect().script(
            "update ofa.energy_hour set zone = 'Atlantis'")
        #expect(try place.ofa("cost", "1").errors.contains("'Atlantis'"))
        let lines = try card(network)
        #expect(
            lines.contains {
                $0.hasPrefix("Not known: factor set ")
                    && $0.hasSuffix(" has no carbon intensity for zone 'Atlantis'.")
            }, "\(lines)")
        #expect(!lines.contains { $0.hasPrefix("| this network") })
    }
}
