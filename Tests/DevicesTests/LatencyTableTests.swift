// Keys, sums and files of latency tables, against the published ones.
import Foundation
import Networks
import TestSupport
import Testing

@testable import Devices

@Suite struct LatencyTableTests {
    private func uniform(_ depth: Int, _ ratio: Double, _ kernel: Int, _ size: Int) -> SubnetConfig
    {
        SubnetConfig(
            kernelSizes: Array(repeating: kernel, count: 20),
            expandRatios: Array(repeating: ratio, count: 20),
            depths: Array(repeating: depth, count: 5), resolution: size)
    }

    @Test("keys are written as in the published tables")
    func keys() throws {
        let space = try SearchSpace.named("ofa-mbv3-w1.2")
        let keys = try NetworkShape(space, uniform(2, 6, 3, 192)).latencyKeys.map(\.description)
        #expect(keys.count == 16)
        #expect(keys[0] == "Conv-input:192x192x3-output:96x96x24")
        #expect(keys[2].hasPrefix("expanded_conv-input:96x96x24-output:48x48x32-expand:144-"))
        #expect(keys[2].hasSuffix("-kernel:3-stride:2-idskip:0-se:0-hs:0"))
        #expect(keys[11].hasSuffix("-kernel:3-stride:1-idskip:1-se:1-hs:1"))
        #expect(
            Array(keys.suffix(4)) == [
                "Conv_1-input:6x6x192-output:6x6x1152", "AvgPool2D-input:6x6x1152-output:1x1x1152",
                "Conv_2-input:1x1x1152-output:1x1x1536", "Logits-input:1x1x1536-output:1000",
            ])
    }

    @Test(
        "the published tables hold exactly the keys of the space",
        .enabled(if: SharedFolders.published("note10") != nil, "\(SharedFolders.publishedHint)"))
    func allKeys() throws {
        let space = try SearchSpace.named("ofa-mbv3-w1.2")
        let folder = try #require(SharedFolders.published("note10"))
        let table = try LatencyTable(contentsOf: folder.path)
        #expect(table.resolutions == Array(stride(from: 160, through: 224, by: 4)))
        for resolution in table.resolutions {
            let keys = try LatencyKey.all(in: space, resolution: resolution).map(\.description)
            #expect(Set(keys).count == keys.count)
            #expect(Set(keys) == Set(try #require(table.entries[resolution]).keys))
            #expect(try table.missingKeys(space, resolution: resolution).isEmpty)
        }
    }

    @Test(
        "sums over the published tables are the known ones",
        .enabled(if: SharedFolders.published("note10") != nil, "\(SharedFolders.publishedHint)"))
    func sums() throws {
        let space = try SearchSpace.named("ofa-mbv3-w1.2")
        let folder = try #require(SharedFolders.published("note10"))
        let table = try LatencyTable(contentsOf: folder.path)
        let known: [(Int, Int, Int, [Double])] = [
            (4, 6, 7, [47.773312, 67.561659, 92.398038]),
            (3, 4, 5, [20.032600, 27.835619, 37.806377]),
            (2, 3, 3, [9.890347, 13.325493, 17.769056]),
        ]
        for (depth, ratio, kernel, sums) in known {
            for (size, sum) in zip([160, 192, 224], sums) {
                let shape = try NetworkShape(space, uniform(depth, Double(ratio), kernel, size))
                // The known sums are rounded to six decimals.
                #expect(abs(try table.latencyMs(shape) - sum) < 1e-6)
            }
        }
        let golden = SubnetConfig(
            kernelSizes: [5, 3, 0, 0, 5, 3, 0, 0, 7, 7, 3, 0, 5, 5, 7, 3, 3, 3, 5, 0],
            expandRatios: [3, 3, 0, 0, 4, 4, 0, 0, 6, 3, 4, 0, 4, 4, 4, 3, 6, 6, 6, 0],
            depths: [2, 2, 3, 4, 3], resolution: 192)
        #expect(abs(try table.latencyMs(NetworkShape(space, golden)) - 24.7302) < 5e-5)
    }

    @Test("a missing key or resolution is an error naming it")
    func missing() throws {
        let shape = try NetworkShape(tinySpace, tinySpace.largest)
        var table = LatencyTable()
        let noSize = #expect(throws: DeviceError.self) { try table.latencyMs(shape) }
        #expect(noSize?.message.contains("no resolution 24") == true)
        for key in shape.latencyKeys { table[24, key] = .init(milliseconds: [1, 3]) }
        #expect(try table.latencyMs(shape) == 2 * Double(shape.latencyKeys.count))
        table[24, shape.latencyKeys[3]] = nil
        let error = #expect(throws: DeviceError.self) { try table.latencyMs(shape) }
        #expect(error?.code == .missingLatency)
        #expect(error?.message.contains(shape.latencyKeys[3].description) == true)
    }

    @Test("an entry summarises measurements")
    func entry() {
        let entry = LatencyEntry(milliseconds: [1, 2, 3, 6])
        #expect(entry == LatencyEntry(count: 4, mean: 3, std: 3.5.squareRoot()))
    }

    @Test("files are written and read again exactly")
    func roundTrip() throws {
        let folder = FileManager.default.temporaryDirectory.appending(
            path: "lut-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { #expect(throws: Never.self) { try FileManager.default.removeItem(at: folder) } }
        var table = LatencyTable()
        for resolution in tinySpace.resolutions {
            for (place, key) in try LatencyKey.all(in: tinySpace, resolution: resolution)
                .enumerated()
            {
                table[resolution, key] = .init(count: 5, mean: 0.1 / Double(place + 1), std: 2e-7)
            }
            let file = folder.appending(path: "\(resolution)_lookup_table.yaml")
            try Data(table.yaml(resolution: resolution).utf8).write(to: file)
        }
        #expect(try LatencyTable(contentsOf: folder.path) == table)
        #expect(table.yaml(resolution: 16).contains("std: 2.0e-07"))
        let one = try LatencyTable(contentsOf: folder.appending(path: "16_lookup_table.yaml").path)
        #expect(one.resolutions == [16])
        let json = try JSONEncoder().encode(table)
        #expect(try JSONDecoder().decode(LatencyTable.self, from: json) == table)
    }

    @Test("plain comma-separated tables are read, by a column or by the file's name")
    func csv() throws {
        var table = LatencyTable()
        try table.add(
            csv: "# mine\nresolution,key,ms\n16,a,1.5\n24, a ,2\n", resolution: nil, source: "t.csv"
        )
        #expect(table.resolutions == [16, 24])
        #expect(table.entries[24]?["a"] == LatencyEntry(count: 1, mean: 2, std: 0))
        try table.add(csv: "key,mean,std,count\nb,3,0.5,7\n", resolution: 16, source: "16.csv")
        #expect(table.entries[16]?["b"] == LatencyEntry(count: 7, mean: 3, std: 0.5))
        func message(_ csv: String, _ resolution: Int? = 16) -> String {
            var table = LatencyTable()
            return #expect(throws: DeviceError.self) {
                try table.add(csv: csv, resolution: resolution, source: "t.csv")
            }?.message ?? ""
        }
        #expect(message("a,b\n1,2\n").hasPrefix("t.csv, line 1: column 'a' is not known"))
        #expect(message("mean\n2\n").hasPrefix("t.csv, line 1: the head must name"))
        #expect(message("key,mean\na,1\n", nil).contains("resolution"))
        #expect(
            message("key,mean\na,fast\n").hasPrefix(
                "t.csv, line 2: mean is 'fast': write a decimal number"))
        #expect(message("key,mean\na\n").hasPrefix("t.csv, line 2: a row has 2 cells"))
        #expect(
            message("key,mj\na,1\n").contains("column 'mj' is not known; a table of ms has key"))
        #expect(
            message("resolution,key,ms\n16,a,1\n24,a,1\n16,a,2\n")
                == "t.csv, line 4: a stands twice at resolution 16")
        try table.add(csv: "key,mj\nc,3\n", resolution: 16, unit: "mj", source: "16.csv")
        #expect(table.entries[16]?["c"]?.mean == 3)
        #expect(message("key,mean,std\na,1,x\n").hasPrefix("t.csv, line 2: std is 'x': write"))
        #expect(message("key,mean\na,-1\n").hasPrefix("t.csv, line 2: mean is -1; it must lie in"))
    }

    @Test(
        "sizes in common are those that every table has; none is an error that names what there is")
    func common() throws {
        func table(_ sizes: [Int]) -> LatencyTable {
            let entry = LatencyEntry(count: 1, mean: 1, std: 0)
            return LatencyTable(
                entries: Dictionary(uniqueKeysWithValues: sizes.map { ($0, ["a": entry]) }))
        }
        #expect(try LatencyTable.common([24, 16], of: [nil, nil]) == [24, 16])
        #expect(try LatencyTable.common([16, 24], of: [table([24, 32]), nil]) == [24])
        let error = #expect(throws: DeviceError.self) {
            try LatencyTable.common([16, 24], of: [table([24]), table([16, 32])])
        }
        #expect(error?.code == .missingLatency)
        #expect(error?.message.contains("sizes 16, 24, and the tables have 24 and 16, 32") == true)
    }

    @Test("the fast reader and the general one agree, and other YAML is read too")
    func otherYAML() throws {
        let plain = "b:\n  count: 2\n  mean: 1.5e-05\n  std: 0\n"
        var (one, two) = (LatencyTable(), LatencyTable())
        try one.add(yaml: plain, resolution: 16, source: "p")
        try two.add(
            yaml: "b: {mean: 1.5e-05, std: 0.0, count: 2} # flow\n", resolution: 16, source: "f")
        #expect(one == two && one.entries[16]?["b"]?.count == 2)
    }

    @Test("a file that is no table names itself and the place")
    func malformed() throws {
        func message(_ yaml: String) -> String {
            var table = LatencyTable()
            return #expect(throws: DeviceError.self) {
                try table.add(yaml: yaml, resolution: 16, source: "16.yaml")
            }?.message ?? ""
        }
        #expect(message("a:\n  count: 1\n  std: 0\n") == "16.yaml, line 1: a has no mean")
        #expect(
            message("a:\n  count: 1\n  mean: fast\n  std: 0\n").hasPrefix(
                "16.yaml, line 3: a mean is 'fast'"))
        #expect(
            message("a:\n  count: 1\n  mean: -2\n  std: 0\n").hasPrefix(
                "16.yaml, line 3: a mean is -2; it must lie in"))
        #expect(message("a: [1").hasPrefix("16.yaml, line 2: is not YAML"))
        for path in ["/nonexistent", NSTemporaryDirectory()] {
            #expect(throws: DeviceError.self) { try LatencyTable(contentsOf: path) }
        }
    }
}
