// Pipeline files: what is refused, at which line, and that nothing is read differently from how it is written.
import Foundation
import Networks
import Testing

@testable import Pipelines

@Suite struct YAMLDocumentTests {
    private static let good = """
        name: small
        space: fashion-mbv3
        devices:
          box: {kind: phone, max_macs: 6000000}
        stages:
          data: {kind: import-dataset, dataset: d, folder: /data}
          full:
            kind: train
            needs: [data]
            phase: full
            epochs: 1
            learning_rate: 0.1
            kernel_sizes: [3, 5, 7]
          accuracy: {kind: sample-accuracy, needs: [full]}
          predictor: {kind: fit-predictor, needs: [accuracy]}
          search: {kind: search, needs: [predictor], device: box}
        """

    private func read(_ text: String, file: String = "p.yaml", set: [String] = []) throws
        -> PipelineDefinition
    {
        try PipelineDefinition(text: text, file: file, overrides: set)
    }

    private func changed(_ old: String, _ new: String) throws -> String {
        try #require(Self.good.contains(old), "the pipeline has no '\(old)'")
        return Self.good.replacingOccurrences(of: old, with: new)
    }

    private func problem(_ old: String, _ new: String) throws -> String {
        let text = try changed(old, new)
        return try #require(throws: PipelineError.self) { try read(text) }.message
    }

    @Test(
        "numbers are decimal digits: what YAML 1.1 reads as another base or type is refused with its line",
        arguments: [
            "064", "0100", "0x40", "1:30", "6_4", "0b11", "0o17", "64.0", "6e1", "\"64\"", "'64'",
            "true", "~", "", "1,000", "９", "+64", "-0", "!!int 64", "! 64",
        ])
    func wholeNumbers(text: String) throws {
        let message = try problem("    epochs: 1\n", "    epochs: 1\n    batch: \(text)\n")
        #expect(message.hasPrefix("p.yaml:12: stages.full.batch "), "\(message)")
    }

    @Test(
        "so are decimal numbers",
        arguments: [
            "010", "0x1p3", "1:30", "+1", "-0", "1e-400", "!!float 1", ".inf", ".nan", "nan", "1_0",
            "1e400", "\"1\"", "1e", "--1",
        ])
    func decimalNumbers(text: String) throws {
        let message = try problem("epochs: 1", "epochs: \(text)")
        #expect(message.hasPrefix("p.yaml:11: stages.full.epochs "), "\(message)")
    }

    @Test(
        "a number has the value that people read",
        arguments: [("64", 64), ("100", 100)])
    func values(text: String, expected: Int) throws {
        let definition = try read(try changed("epochs: 1\n", "epochs: 1\n    batch: \(text)\n"))
        guard case .train(let train) = definition.stages[1].parameters else {
            Issue.record("the second stage trains")
            return
        }
        #expect(train.phase.batch == expected)
    }

    @Test(
        "true and false alone are booleans",
        arguments: ["yes", "no", "on", "off", "True", "FALSE", "1", "\"true\"", "y"])
    func booleans(text: String) throws {
        let message = try problem("epochs: 1\n", "epochs: 1\n    sort_channels: \(text)\n")
        #expect(
            message.hasPrefix("p.yaml:12: stages.full.sort_channels must be true or false"),
            "\(message)")
    }

    @Test("limits may have an exponent, but no fraction where things are counted")
    func counts() throws {
        let macs = try read(try changed("6000000", "6e6")).devices["box"]?.limits.macsMax
        #expect(macs == 6_000_000)
        let message = try problem("6000000", "6.5")
        #expect(message == "p.yaml:4: devices.box.max_macs is 6.5: write a whole number")
    }

    @Test(
        "an unknown key is reported before what is missing or wrong, with the one that was meant",
        arguments: [
            ("learning_rate: 0.1", "learning_rte: 0.05", 12, "learning_rate"),
            ("phase: full\n", "phasse: full\n    batch: many\n", 10, "phase"),
            ("max_macs: 6000000", "max_mac: -1", 4, "max_macs"),
            ("name: small", "nam: \"\"", 1, "name"),
            ("kind: train\n", "knd: train\n", 8, "kind"),
            ("epochs: 1\n", "epochs: 1\n    augmentation: {fliip: no}\n", 12, "flip"),
            ("needs: [full]}", "needs: [full], rule: {quorom: 2}}", 14, "quorum"),
        ])
    func unknownKeys(old: String, new: String, line: Int, meant: String) throws {
        let message = try problem(old, new)
        #expect(message.hasPrefix("p.yaml:\(line): "), "\(message)")
        #expect(message.contains("is not a known key here; did you mean '\(meant)'?"), "\(message)")
    }

    @Test("an unknown key is found in a later stage than the first mistake")
    func laterKey() throws {
        let text = try changed("needs: [predictor], device: box", "needs: [predictor], devise: box")
            .replacingOccurrences(of: "epochs: 1", with: "epochs: -5")
        let error = #expect(throws: PipelineError.self) { try read(text) }
        #expect(error?.message.contains("devise is not a known key") == true)
    }

    @Test(
        "words that are one of several come with the one that was meant",
        arguments: [
            ("kind: train\n", "kind: trian\n", "train"),
            ("space: fashion-mbv3", "space: fashion-mbv", "fashion-mbv3"),
            ("kind: phone", "kind: phonne", "phone"), ("device: box", "device: bax", "box"),
            ("needs: [full]", "needs: [ful]", "full"),
            ("kind: fit-predictor", "kind: fit-predictor, method: rigde", "ridge"),
            ("epochs: 1\n", "epochs: 1\n    sampling: sandwhich\n", "sandwich"),
            ("epochs: 1\n", "epochs: 1\n    augmentation: {crop: resize}\n", "resized"),
            ("needs: [full]}", "needs: [full], on_bad: {full: blok}}", "block"),
        ])
    func words(old: String, new: String, meant: String) throws {
        let message = try problem(old, new)
        #expect(message.contains("did you mean '\(meant)'?"), "\(message)")
    }

    @Test("--set names the part of a path that the file does not have")
    func wrongSet() throws {
        for (path, meant) in [
            ("stages.ful.epochs", "full"), ("stage.full.epochs", "stages"),
            ("stages.full.epoch", "epochs"), ("devices.bax.max_macs", "box"),
        ] {
            let error = #expect(throws: PipelineError.self) {
                try read(Self.good, set: ["\(path)=1"])
            }
            #expect(error?.message.hasPrefix("--set") == true)
            #expect(
                error?.message.contains("did you mean '\(meant)'?") == true,
                "\(error?.message ?? "")")
        }
    }

    @Test(
        "anchors, aliases and merge keys are refused by name with their line",
        arguments: [
            ("  full:\n", "  full: &base\n", 7), ("epochs: 1\n", "epochs: &e 1\n", 11),
            ("kind: train\n", "<<: {kind: train}\n", 8),
            ("phase: full\n", "&p phase: full\n", 10), ("needs: [data]", "needs: [*data]", 9),
        ])
    func anchors(old: String, new: String, line: Int) throws {
        let message = try problem(old, new)
        #expect(message.hasPrefix("p.yaml:\(line): "), "\(message)")
        #expect(message.contains("merge keys (<<) are not read"), "\(message)")
    }

    @Test("aliases of aliases take no memory, nor time as keys")
    func bombs() throws {
        var values = "a0: &a0 [x]\n"
        var keys = "? &a0 [x]\n: 1\n"
        for level in 1...60 {
            values += "a\(level): &a\(level) [*a\(level - 1), *a\(level - 1), *a\(level - 1)]\n"
            keys += "? &a\(level) [*a\(level - 1), *a\(level - 1)]\n: 1\n"
        }
        for text in [values, keys] {
            let error = #expect(throws: PipelineError.self) { try read(text) }
            #expect(error?.message.contains("aliases") == true)
        }
    }

    @Test(
        "no entry stands in a list twice, and the bytes of a number are possible",
        arguments: [
            (
                "kernel_sizes: [3, 5, 7]", "kernel_sizes: [3, 3, 7]",
                "p.yaml:13: stages.full.kernel_sizes has 3 twice: leave one out"
            ),
            (
                "needs: [data]", "needs: [data, data]",
                "p.yaml:9: stages.full.needs has data twice: leave one out"
            ),
            (
                "max_macs: 6000000", "bytes_per_weight: 3",
                "p.yaml:4: devices.box.bytes_per_weight is 3; numbers have 1, 2, 4 bytes"
            ),
            (
                "max_macs: 6000000", "bytes_per_activation: 0",
                "p.yaml:4: devices.box.bytes_per_activation is 0; numbers have 1, 2, 4 bytes"
            ),
        ])
    func entries(old: String, new: String, expected: String) throws {
        #expect(try problem(old, new) == expected)
    }

    @Test(
        "the range of a key is told in one way",
        arguments: [
            ("0", "is 0; it must lie in 0.001...10000"),
            ("1e9", "is 1e9; it must lie in 0.001...10000"),
            ("20000", "is 20000; it must lie in 0.001...10000"),
        ])
    func range(text: String, reason: String) throws {
        #expect(
            try problem("epochs: 1", "epochs: \(text)") == "p.yaml:11: stages.full.epochs \(reason)"
        )
        #expect(
            try problem("epochs: 1\n", "epochs: 1\n    warmup_epochs: 2\n")
                == "p.yaml:12: stages.full.warmup_epochs is 2; it must lie in 0...1")
    }

    @Test("a plain star is text, in comments as in names")
    func stars() throws {
        let text = try changed("name: small", "# *a* *b* and &c\nname: a * b & c")
        #expect(try read(text).name == "a * b & c")
    }

    @Test(
        "what is not one plain mapping of texts is refused with its line",
        arguments: [
            ("a: 1\na: 2", "p.yaml:1: the key 'a' of this line appears twice"),
            ("b: 1\n1: 1\n\"1\": 2", "p.yaml:3: 1 appears twice (the first is in line 2)"),
            (
                "caf\u{E9}: 1\ncafe\u{301}: 2",
                "p.yaml:1: the key 'caf\u{E9}' of this line appears twice"
            ),
            ("a: 1\n---\nb: 1", "p.yaml:2: a second document begins here"),
            ("? [a]\n: 1", "p.yaml:1: the file has a key that is not text"),
            ("a: 1\n\"\": 1", "p.yaml:2: the file has a key that is empty"),
            ("a:\n\tb: 1", "p.yaml:2: is indented with a tab"),
            ("a: !!binary aGk=", "p.yaml:1: a has the tag !!binary: leave it out"),
            ("a: 1\nb: !!str x", "p.yaml:2: b has the tag !!str: leave it out"),
            ("a: 1\n!!str b: x", "p.yaml:2: the file has the tag !!str: leave it out"),
            ("a: !!seq [x]", "p.yaml:1: a has the tag !!seq"),
            ("a: !!map\n  b: 1", "p.yaml:1: a has the tag !!map"),
            ("a: [x, ! y]", "p.yaml:1: a has the tag !"),
            ("a: !<tag:yaml.org,2002:str> x", "p.yaml:1: a has the tag !<tag:yaml.org,2002:str>"),
            ("a: 1\nb: \u{1B}[31mred", "p.yaml:2: holds the control character U+001B"),
            ("a: 1\n# x\0", "p.yaml:2: holds the control character U+0000"),
            ("a: 1\nb: \u{202E}abc", "p.yaml:2: holds the invisible character U+202E"),
            ("a: 1\n\"b\\0\": 1", "p.yaml:2: the file has a key that holds the control character"),
            ("name: \"fashion\\0mnist\"", "p.yaml:1: name holds the control character U+0000"),
            ("# nothing", "p.yaml: the file is empty"), ("", "p.yaml: is empty"),
        ])
    func shapes(text: String, start: String) {
        let error = #expect(throws: PipelineError.self) { try read(text) }
        #expect(error?.message.hasPrefix(start) == true, "\(error?.message ?? "")")
    }

    @Test("what is deeper or larger than any pipeline is refused")
    func bounds() throws {
        for text in [
            "a: " + String(repeating: "[", count: 20) + String(repeating: "]", count: 20),
            "a: " + String(repeating: "[", count: 60_000),
            "a: " + String(repeating: "{b: ", count: 900) + String(repeating: "}", count: 900),
            String(repeating: "# comment\n", count: 10_000) + Self.good,
        ] {
            let error = #expect(throws: PipelineError.self) { try read(text) }
            #expect(error?.message.hasPrefix("p.yaml") == true, "\(error?.message ?? "")")
        }
    }

    @Test("a file that is no UTF-8 text, no file, or endless is refused with its path")
    func files() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "yaml-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { #expect(throws: Never.self) { try FileManager.default.removeItem(at: folder) } }
        func message(_ bytes: [UInt8]) throws -> String {
            let file = folder.appending(path: "p.yaml")
            try Data(bytes).write(to: file)
            return try #require(throws: PipelineError.self) {
                try PipelineDefinition(path: file.path)
            }.message
        }
        #expect(try message(Array("a: 1\nb: ".utf8) + [0xE4]).contains("p.yaml:2: is not UTF-8"))
        #expect(try message([0xFF, 0xFE, 0x61, 0]).contains("p.yaml: is UTF-16"))
        for (path, why) in [
            (folder.path, "is a folder"), ("/dev/zero", "is no regular file"),
            (folder.appending(path: "none.yaml").path, "cannot be read: No such file"),
        ] {
            let error = #expect(throws: PipelineError.self) { try PipelineDefinition(path: path) }
            #expect(error?.message.hasPrefix("\(path): ") == true)
            #expect(error?.message.contains(why) == true, "\(error?.message ?? "")")
        }
        let marked = folder.appending(path: "marked.yaml")
        try Data([0xEF, 0xBB, 0xBF] + Array(Self.good.utf8)).write(to: marked)
        #expect(try PipelineDefinition(path: marked.path).name == "small")
    }

    @Test(
        "names have 1 to 200 characters",
        arguments: [
            ("name: small", "name: \"\"", "name is empty"),
            ("name: small", "name: \"  \"", "blanks"),
            ("name: small", "name: \" small\"", "name begins with a blank"),
            ("name: small", "name: \"sm\\u200Ball\"", "name holds the invisible character U+200B"),
            ("name: small", "name: ~", "name is ~, which is nothing in YAML"),
            ("name: small", "name:", "name is empty"),
            ("name: small", "name: \(String(repeating: "n", count: 6000))", "6000"),
            ("dataset: d", "dataset: \(String(repeating: "n", count: 201))", "201 characters"),
            ("dataset: d", "dataset: \"fashion\\0mnist\"", "U+0000"),
            ("dataset: d", "dataset: \"a\\nb\"", "U+000A"),
            ("box: {", "\(String(repeating: "b", count: 201)): {", "201 characters"),
            ("needs: [full]", "needs: [full], queue: \" \"", "blanks"),
            ("needs: [full]", "needs: [full], key: \"\"", "is empty"),
        ])
    func names(old: String, new: String, why: String) throws {
        let message = try problem(old, new)
        #expect(message.hasPrefix("p.yaml:") && message.contains(why), "\(message)")
    }

    @Test("a name in decomposed characters is the same name, and makes the same run")
    func normal() throws {
        let composed = try read(try changed("small", "caf\u{E9}"))
        let decomposed = try read(try changed("small", "cafe\u{301}"))
        let escaped = try read(try changed("small", "\"cafe\\u0301\""))
        #expect(composed.hash == decomposed.hash)
        for name in [composed.name, decomposed.name, escaped.name] {
            #expect(Array(name.unicodeScalars) == Array("caf\u{E9}".unicodeScalars))
        }
        let set = try read(Self.good, set: ["name=cafe\u{301}"])
        #expect(Array(set.name.unicodeScalars) == Array("caf\u{E9}".unicodeScalars))
    }

    @Test("folders are relative to the file, to the home with ~, and to the command with --set")
    func folders() throws {
        func folder(_ text: String, set: [String] = []) throws -> String {
            let definition = try read(
                try changed("folder: /data", "folder: \(text)"), file: "/pipes/a/p.yaml", set: set)
            guard case .importDataset(let stage) = definition.stages[0].parameters else {
                return ""
            }
            return stage.folder
        }
        #expect(try folder("data") == "/pipes/a/data")
        #expect(try folder("../data/") == "/pipes/data")
        #expect(try folder("/data/./x") == "/data/x")
        #expect(try folder("~/data") == NSHomeDirectory() + "/data")
        #expect(try folder("\"~\"") == NSHomeDirectory())
        let here = FileManager.default.currentDirectoryPath
        #expect(try folder("data", set: ["stages.data.folder=other"]) == here + "/other")
        for text in ["\"\"", "\" \"", "~", "~root/data", "\"a\\0b\"", "[data]"] {
            let error = #expect(throws: PipelineError.self) { try folder(text) }
            #expect(
                error?.message.hasPrefix("/pipes/a/p.yaml:6: stages.data.folder ") == true,
                "\(error?.message ?? "")")
        }
        // The same text in two places names two folders: these are two runs.
        let text = try changed("folder: /data", "folder: data")
        #expect(
            try read(text, file: "/pipes/a/p.yaml").hash
                != read(text, file: "/pipes/b/p.yaml").hash)
        #expect(
            try read(Self.good, file: "/pipes/a/p.yaml").hash
                == read(Self.good, file: "/pipes/b/p.yaml").hash)
    }

    @Test("shards that list more subnets than a job can are refused when the file is read")
    func shards() throws {
        let message = try problem("needs: [full]}", "needs: [full], subnets: 50000, shards: 3}")
        #expect(
            message.hasPrefix("p.yaml:14: stages.accuracy.shards is 3 for 50000 subnets"),
            "\(message)")
    }

    @Test("as many subnets as a shard may list fit into a job of the queue, whatever the space")
    func fullShard() throws {
        for name in ["fashion-mbv3", "ofa-mbv3-w1.0", "ofa-proxyless-w1.3", "ofa-resnet50"] {
            let space = try SearchSpace.named(name)
            let most = try PipelineDefinition.mostSubnetsOfShard(space)
            let arguments = StageArguments(
                stage: "accuracy",
                parameters: .sampleAccuracy(
                    .init(subnets: most, images: 100, calibrationImages: 50, shards: 1)),
                inputs: [.supernet: .stage("full"), .dataset: .stage("data")], space: space,
                seed: .max,
                part: .shard(index: 0, subnets: Array(repeating: space.largest, count: most)))
            let bytes = try JSONText.encode(arguments).utf8.count
            #expect(bytes <= 1 << 20 && bytes > 1 << 19, "\(name): \(bytes) bytes")
        }
    }

    @Test("more classes than the space tells apart are refused when the file is read")
    func classes() throws {
        let message = try problem("dataset: d,", "dataset: d, classes: 26,")
        #expect(
            message
                == "p.yaml:6: stages.data.classes is 26; networks of space fashion-mbv3 tell 10 apart"
        )
    }
}
