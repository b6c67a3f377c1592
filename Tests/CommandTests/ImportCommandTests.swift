// `ofa import supernet`: what is stored, and what is refused with nothing stored.
import Artifacts
import Foundation
import Interchange
import Networks
import TestSupport
import Testing

@Suite struct ImportCommandTests {
    /// The state dict of a supernet of fashion-mbv3 as a safetensors file.
    static func supernet(
        metadata: [String: String] = [:],
        _ change: (inout [String: SafetensorsFile.Tensor<Float>]) -> Void = { _ in }
    ) throws -> [UInt8] {
        let weights = try Weights(supernetOf: .fashion, seed: 5)
        var tensors: [String: SafetensorsFile.Tensor<Float>] = [:]
        for (parameter, values) in weights.named {
            tensors[parameter.name] = .init(shape: parameter.shape, values: values)
        }
        change(&tensors)
        return try Safetensors.encode(SafetensorsFile(tensors: tensors, metadata: metadata))
    }

    @Test(
        "an imported supernet records file, normalisation and trained genes, and has the file's weights"
    )
    func imported() throws {
        let place = try CommandPlace()
        let bytes = try Self.supernet(metadata: ["mean": "[0.25]", "std": "0.5"])
        try Data(bytes).write(to: place.folder.appending(path: "birds.safetensors"))
        let answer = try place.document(
            "import", "supernet", "birds.safetensors", "--space", "fashion-mbv3", "--resolutions",
            "28,20", "--expand-ratios", "3,6")
        let id = try #require(answer["artifact"] as? Int)
        #expect(
            answer["tensors"] as? Int == (try Weights(supernetOf: .fashion, seed: 0)).named.count)
        let shown = try place.document("artifacts", "show", "\(id)")
        #expect(shown["digest"] as? String == answer["digest"] as? String)
        #expect(shown["name"] as? String == "birds")
        let metadata = try #require(shown["metadata"] as? [String: Any])
        let source = try #require(metadata["source"] as? [String: Any])
        #expect(source["sha256"] as? String == Digest.of(bytes).hex)
        #expect(source["file"] as? String == "birds.safetensors")
        let trained = try #require(metadata["trained"] as? [String: Any])
        #expect(trained["resolutions"] as? [Int] == [20, 28])
        #expect(trained["expandRatios"] as? [Int] == [3, 6])
        #expect(trained["kernelSizes"] as? [Int] == [3, 5, 7])
        let normalization = try #require(metadata["normalization"] as? [String: Any])
        #expect(normalization["mean"] as? [Double] == [0.25])
        let lineage = try place.ofa("lineage", "up", "\(id)")
        #expect(
            lineage.output.contains("user-supplied, from birds.safetensors, SHA-256"),
            "\(lineage.output)")
        let file = place.folder.appending(path: "got.safetensors")
        #expect(try place.ofa("artifacts", "get", "\(id)", "-o", file.path).status == 0)
        let got = try Safetensors.decode(bytes: [UInt8](Data(contentsOf: file))).tensors
        #expect(try got == Safetensors.decode(bytes: bytes).tensors)
    }

    @Test(
        "a file without matrices, as of a network trained alone, is trained for its largest genes only"
    )
    func alone() throws {
        let place = try CommandPlace()
        let bytes = try Self.supernet { tensors in
            for name in tensors.keys where name.hasSuffix("_matrix") { tensors[name] = nil }
        }
        try Data(bytes).write(to: place.folder.appending(path: "plain.pth.tar"))
        func trained(_ arguments: String...) throws -> (domain: [String: Any], errors: String) {
            let run = try place.ofa(
                [
                    "import", "supernet", "plain.pth.tar", "--space", "fashion-mbv3", "--mean",
                    "0.5", "--std", "0.5", "--json",
                ] + arguments)
            #expect(run.status == 0, "\(run.errors)")
            let answer = try #require(
                JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
            #expect(answer["identity_transforms"] as? Bool == true)
            #expect(answer["name"] as? String == "plain")
            return (try #require(answer["trained"] as? [String: Any]), run.errors)
        }
        let (domain, errors) = try trained()
        #expect(domain["kernelSizes"] as? [Int] == [7])
        #expect(domain["expandRatios"] as? [Int] == [6] && domain["depths"] as? [Int] == [3])
        #expect(domain["resolutions"] as? [Int] == [20, 24, 28])
        #expect(errors.contains("has no kernel transform matrices, as a network trained alone"))
        let all = try trained(
            "--kernel-sizes", "3,5,7", "--expand-ratios", "3,4,6", "--depths", "2,3")
        #expect(all.domain["kernelSizes"] as? [Int] == [3, 5, 7] && all.errors.isEmpty)
    }

    @Test("an artifact is named after the file without the endings of formats, and not by a number")
    func names() throws {
        let place = try CommandPlace()
        let bytes = try Self.supernet(metadata: ["mean": "0.5", "std": "0.5"])
        func run(_ file: String) throws -> CommandRun {
            try Data(bytes).write(to: place.folder.appending(path: file))
            return try place.ofa("import", "supernet", file, "--space", "fashion-mbv3", "--json")
        }
        for (file, name) in [
            ("ofa_mbv3_d234_e346_k357_w1.0", "ofa_mbv3_d234_e346_k357_w1.0"),
            ("birds_w1.2.SafeTensors", "birds_w1.2"), ("model.pth.tar", "model"), (".pt", ".pt"),
        ] {
            let answer = try #require(
                JSONSerialization.jsonObject(with: Data(try run(file).output.utf8))
                    as? [String: Any])
            #expect(answer["name"] as? String == name)
        }
        let count = try place.list("artifacts", "list").count
        for (file, told) in [
            (
                "17.pth",
                "gives the artifact the name 17, which is read as the number of an artifact"
            ),
            (String(repeating: "x", count: 240) + ".pth", "the name of file xxx"),
        ] {
            let refused = try run(file)
            #expect(refused.status == 64 && refused.errors.contains(told), "\(refused.errors)")
        }
        #expect(try place.list("artifacts", "list").count == count)
    }

    @Test("what does not fit is refused with its names, and nothing is stored")
    func refused() throws {
        let place = try CommandPlace()
        func refused(
            _ told: String, _ bytes: [UInt8], status: Int32 = 1,
            _ arguments: [String] = ["--mean", "0.5", "--std", "0.5"]
        ) throws {
            try Data(bytes).write(to: place.folder.appending(path: "w.pth"))
            let run = try place.ofa(
                ["import", "supernet", "w.pth", "--space", "fashion-mbv3"] + arguments)
            #expect(run.status == status && run.errors.contains(told), "\(run.errors)")
            let listed = try place.ofa("artifacts", "list", "--json")
            #expect(listed.output.isEmpty || listed.output.hasPrefix("[]"), "\(listed.output)")
        }
        let good = try Self.supernet()
        try refused(
            "1 missing (classifier.linear.bias)",
            Self.supernet { $0["classifier.linear.bias"] = nil })
        for key in ["mean", "std"] {
            try refused(
                "w.pth: the metadata have \(key) alone", Self.supernet(metadata: [key: "0.5"]), [])
        }
        try refused("1 not known (x)", Self.supernet { $0["x"] = .init(shape: [], values: [1]) })
        try refused("this is no PyTorch checkpoint and no safetensors file", Array("nothing".utf8))
        try refused("--mean and --std belong together", good, status: 64, ["--mean", "0.5"])
        try refused("for which there is no usual normalisation", good, status: 64, [])
        try refused("--std has 3 numbers", good, status: 64, ["--mean", "1", "--std", "1,1,1"])
        try refused(
            "write numbers separated by commas", good, status: 64, ["--mean", "1", "--std", "0"])
        try refused("--resolutions has 21", good, status: 64, ["--resolutions", "21"])
        let none = try place.ofa("import", "supernet", "none.pth", "--space", "fashion-mbv3")
        #expect(none.status == 2 && none.errors.contains("there is no file none.pth"))
    }

    @Test("hostile files are refused within a gigabyte of memory, and none of their code runs")
    func hostile() throws {
        let place = try CommandPlace()
        let made = CheckpointBytes(), reduce = UInt8(ascii: "R")
        let marker = place.folder.appending(path: "marker")
        let call =
            made.global("os", "system") + made.tuple([made.text("touch \(marker.path)")]) + [reduce]
        let most = Int(Int32.max)
        func header(_ json: String, _ data: Int) -> [UInt8] {
            made.little(json.utf8.count, 8) + Array(json.utf8) + [UInt8](repeating: 0, count: data)
        }
        let f32 = #""dtype":"F32","shape":[1],"data_offsets""#
        let files: [(told: String, bytes: [UInt8])] =
            [
                (
                    "holds no table of tensors, but 'os.system'",
                    made.zip([0x80, 2] + call + [UInt8(ascii: ".")])
                ),
                (
                    "none of the file's 1 tensors",
                    made.zip(
                        made.table([("a", call), ("w", made.tensor(shape: [6], strides: [1]))]))
                ),
                ("is compressed or encrypted", made.archive([("m/data.pkl", [1])], method: 8)),
                (
                    "does not lie within its array",
                    made.zip(made.pickle(made.tensor(shape: [most, most], strides: [0, 0])))
                ),
                (
                    "does not lie within its array",
                    made.legacy(made.pickle(made.tensor(shape: [most, 4], strides: [4, 1])))
                ),
                (
                    "starts at byte 0, not at 4",
                    header(#"{"a":{\#(f32):[0,4]},"b":{\#(f32):[0,4]}}"#, 4)
                ),
                (
                    "cannot lie at bytes",
                    header(
                        #"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}"#,
                        4)
                ),
                (
                    "this is no PyTorch checkpoint and no safetensors file",
                    made.little(1 << 30, 8) + Array("{}".utf8)
                ),
                (
                    "is a path out of its folder",
                    made.archive([("../../m/data.pkl", made.pickle(made.int(1)))])
                ),
                (
                    "has over 4000000 opcodes",
                    made.zip([0x80, 2] + [UInt8](repeating: UInt8(ascii: ")"), count: 5_000_000))
                ),
            ] + Self.amplifying(made)
        for (told, bytes) in files { try refuse(told, bytes, size: nil, place) }
        // A file larger than any supernet of the space is not read: here one of 1 GB with a header as large.
        try refuse(
            "at most", made.little(1 << 30, 8) + Array("{".utf8), size: (1 << 30) + 4096, place)
        #expect(!FileManager.default.fileExists(atPath: marker.path))
        #expect(try place.ofa("artifacts", "list", "--json").output.hasPrefix("[]"))
    }

    /// Small files that ask for a value to be copied again and again.
    private static func amplifying(_ made: CheckpointBytes) -> [(told: String, bytes: [UInt8])] {
        let long = made.text(String(repeating: "n", count: 2000))
        let ones = [Int](repeating: 1, count: 17)
        let pairs = (0..<100_000).flatMap { _ in made.tuple([made.int(1), made.int(2)]) }
        let list =
            [UInt8(ascii: "]"), UInt8(ascii: "q"), 0, UInt8(ascii: "(")] + pairs + [
                UInt8(ascii: "e")
            ]
        let copy =
            made.global("collections", "OrderedDict")
            + made.tuple([[UInt8(ascii: "h"), 0]]) + [UInt8(ascii: "R")]
        let short = (0..<1000).flatMap { made.text("\($0)") + [UInt8(ascii: "N")] }
        return [
            (
                "over 16 dimensions",
                made.zip(made.pickle(made.tensor(shape: ones, strides: ones)))
            ),
            (
                "ordered dictionaries of over 4000000 items",
                made.zip([0x80, 2] + list + [[UInt8]](repeating: copy, count: 30).flatMap { $0 })
            ),
            ("name is over 1024 bytes long", made.zip([0x80, 4] + long + long + [0x93])),
            (
                "names take over 128 MiB",
                made.zip(
                    made.table([
                        (
                            String(repeating: "k", count: 1 << 20),
                            [UInt8(ascii: "}"), UInt8(ascii: "(")] + short + [UInt8(ascii: "u")]
                        )
                    ]))
            ),
        ]
    }

    /// Imports a file, filled with zeros up to `size`, with a gigabyte of address space above the program's own.
    private func refuse(_ told: String, _ bytes: [UInt8], size: Int?, _ place: CommandPlace) throws
    {
        let file = place.folder.appending(path: "hostile")
        try Data(bytes).write(to: file)
        if let size {
            let handle = try FileHandle(forWritingTo: file)
            try handle.truncate(atOffset: UInt64(size))
            try handle.close()
        }
        let process = Process(), errors = place.folder.appending(path: "errors")
        try Data().write(to: errors)
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [
            "bash", "-c", "ulimit -v 2000000; exec \"$@\"", "bash", CommandRun.binary.path,
            "import",
            "supernet", file.path, "--space", "fashion-mbv3", "--mean", "0.5", "--std", "0.5",
        ]
        process.environment = ProcessInfo.processInfo.environment.merging(place.environment) { $1 }
        process.standardError = try FileHandle(forWritingTo: errors)
        try process.run()
        process.waitUntilExit()
        let text = try String(contentsOf: errors, encoding: .utf8)
        #expect(
            process.terminationStatus == 1 && text.contains(told), "\(told): \(text.prefix(500))")
    }
}
