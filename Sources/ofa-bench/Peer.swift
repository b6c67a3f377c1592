// The peers: other software on the same network. A peer is a separate process, so that its threads and memory do not
// interfere with those of our engine. The scripts are torch_mbv3.py and onnx_mbv3.py in the folder of the peers' scripts.
import Foundation

/// The software that passes are compared with.
enum PassPeer: String, CaseIterable {
    /// PyTorch, eager and with torch.compile.
    case pytorch, compiledPytorch = "pytorch-compiled"
    /// The runtimes of ONNX models.
    case onnxruntime, openvino

    /// Whether the peer runs an ONNX model, which only evaluates.
    var readsModels: Bool { self == .onnxruntime || self == .openvino }
    /// The file name of the peer's script.
    var script: String { readsModels ? "onnx_mbv3.py" : "torch_mbv3.py" }

    /// Reads names separated by commas. Throws for an unknown name, and for a peer that does not run passes of `mode`.
    static func read(_ text: String, _ mode: PassMode) throws -> [PassPeer] {
        var peers: [PassPeer] = []
        for name in text.split(separator: ",", omittingEmptySubsequences: false) {
            let able = allCases.filter { peer in
                switch mode {
                case .eval: true
                case .train: !peer.readsModels
                case .calibrate: peer == .pytorch
                }
            }
            guard let peer = able.first(where: { $0.rawValue == name }) else {
                throw BenchError(
                    "--peer names '\(name)'; for these passes it takes"
                        + " \(able.map(\.rawValue).joined(separator: ", ")), separated by commas")
            }
            if !peers.contains(peer) { peers.append(peer) }
        }
        return peers
    }
}

/// Runs a peer's script and parses its output.
struct Peer {
    /// A measurement request.
    struct Request {
        /// The software.
        var peer = PassPeer.pytorch
        /// The kind of pass.
        var mode: PassMode
        /// The genes as JSON.
        let genes: String
        /// The width multiplier of the space, and its number of classes.
        let width: Double, classes: Int
        /// Height and width of the images in pixels; images of a pass; threads.
        let resolution, batch, threads: Int
        /// PyTorch's memory layout: channels_last or nchw.
        let layout: String
        /// The number of timed passes, and of warm-up passes before the timed passes.
        let runs, warmup: Int
        /// The network as an ONNX file, in a folder of its own; nil if the script exports one itself.
        var model: URL?

        /// The first argument of `wrapper`: `batch` keeps batch norms in training mode, `own` leaves the mode to the
        /// script.
        var statistics: String { mode == .calibrate ? "batch" : "own" }

        /// The script's arguments.
        var arguments: [String] {
            let own =
                peer.readsModels
                ? ["--engine", peer.rawValue]
                    + (model.map { ["--cache", $0.deletingLastPathComponent().path] } ?? [])
                : ["--mode", mode == .train ? "train" : "eval", "--layout", layout]
                    + (peer == .compiledPytorch ? ["--compile"] : [])
            return own + [
                "--arch", genes, "--width", "\(width)", "--classes", "\(classes)",
                "--resolution", "\(resolution)", "--batch", "\(batch)", "--threads", "\(threads)",
                "--runs", "\(runs)", "--warmup", "\(warmup)",
            ]
        }
    }

    /// The result of one process of the peer.
    struct Result: Codable, Equatable {
        /// The peer's name and version.
        let peer: String
        /// The median and the fastest of the peer's passes, in milliseconds.
        let medianMs, minMs: Double
        /// The number of parameters of the peer's network; nil if the peer does not state it.
        let params: Int?
        /// Peak resident memory of the peer's process, in bytes.
        let peakRssBytes: Int
    }

    /// The Python interpreter.
    let python: String
    /// The path of the peer's script.
    let script: String

    /// The commands that install the peer.
    static let remedy =
        "python3 -m venv /tmp/peer && /tmp/peer/bin/pip install torch numpy (for runtimes:"
        + " onnxruntime openvino; for queue: 'pgqueuer[asyncpg]' uvloop procrastinate"
        + " 'psycopg[binary,pool]'; for blobs: blosc2), then OFA_PEER_PYTHON=/tmp/peer/bin/python"

    /// Finds the script `name` in the folder that OFA_PEERS names. If OFA_PEERS is not set, searches the folder
    /// shared/peers next to the current folder and next to the package.
    static func find(
        _ name: String = "torch_mbv3.py",
        _ environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws -> Peer {
        let named = environment["OFA_PEERS"].flatMap { $0.isEmpty ? nil : $0 }
        // This program is .build/release/ofa-bench or .build/TRIPLE/release/ofa-bench, so the package is two or three
        // folders above the program's folder.
        var above = URL(filePath: CommandLine.arguments.first ?? "").deletingLastPathComponent()
        var folders = ["../shared/peers"]
        for _ in 0..<4 {
            above.deleteLastPathComponent()
            folders.append(above.appending(path: "shared/peers").path)
        }
        if let named { folders = [named] }
        guard
            let folder = folders.first(where: {
                FileManager.default.fileExists(atPath: "\($0)/\(name)")
            })
        else {
            throw BenchError(
                "there is no \(name) in \(named ?? folders[0]): name the folder of the peers' scripts"
                    + " with OFA_PEERS")
        }
        let python = environment["OFA_PEER_PYTHON"].flatMap { $0.isEmpty ? nil : $0 }
        return Peer(python: python ?? "python3", script: "\(folder)/\(name)")
    }

    /// A Python program that runs the script, then prints the process's peak memory. Linux includes the parent's memory
    /// in a child's ru_maxrss, so VmHWM is used if available.
    ///
    /// With `batch` as the first argument, batch norms stay in training mode. An evaluation pass then normalises by the
    /// batch and updates the running statistics, as calibration does.
    ///
    /// With the path of a model as the second argument, the model is put where the script looks for the one that it
    /// exported before: in --cache, named by a digest of network and input. If a script names files in another way, it
    /// exports its own.
    private static let wrapper = """
        import hashlib, json, os, resource, runpy, shutil, sys
        statistics, model, sys.argv = sys.argv[1], sys.argv[2], sys.argv[3:]
        sys.path.insert(0, os.path.dirname(os.path.abspath(sys.argv[0])))
        if statistics == "batch":
            from torch import nn
            nn.modules.batchnorm._BatchNorm.train = lambda norm, mode=True: nn.Module.train(norm, True)
        if model:
            given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
            known = [json.loads(given["--arch"]), float(given["--width"])]
            known += [int(given["--" + name]) for name in ("classes", "resolution", "batch")]
            key = hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:16]
            path = os.path.join(given["--cache"], key + ".onnx")
            if not os.path.exists(path):
                shutil.copyfile(model, path)
        runpy.run_path(sys.argv[0], run_name="__main__")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        try:
            with open("/proc/self/status") as status:
                peak = [int(l.split()[1]) * 1024 for l in status if l.startswith("VmHWM:")][0]
        except (OSError, IndexError):
            pass
        print(json.dumps({"peak_rss_bytes": peak}))
        """

    /// Runs one round of the peer: a Python process builds the network, runs warm-up passes, then times passes.
    func measure(_ request: Request) throws -> Result {
        try Self.read(
            try output(
                ["-c", Self.wrapper, request.statistics, request.model?.path ?? "", script]
                    + request.arguments))
    }

    /// Runs Python with `arguments` and returns its standard output. Python's environment is that of this process,
    /// overridden by `environment`.
    func output(_ arguments: [String], environment: [String: String] = [:]) throws -> String {
        let errors = FileManager.default.temporaryDirectory.appending(
            path: "ofa-peer-\(UUID().uuidString)")
        guard FileManager.default.createFile(atPath: errors.path, contents: nil),
            let errorFile = FileHandle(forWritingAtPath: errors.path)
        else { throw BenchError("cannot write \(errors.path): is the disk full?") }
        let process = Process(), output = Pipe()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [python] + arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardOutput = output
        process.standardError = errorFile
        process.standardInput = FileHandle.nullDevice
        defer {
            do {
                try FileManager.default.removeItem(at: errors)
            } catch {
                Output.note("cannot remove \(errors.path): \(error.localizedDescription)")
            }
        }
        do {
            try process.run()
        } catch {
            throw BenchError("cannot start \(python): \(error.localizedDescription)")
        }
        let text = String(
            decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            let said = FileManager.default.contents(atPath: errors.path) ?? Data()
            throw Self.failure(
                python, status: Int(process.terminationStatus),
                said: String(decoding: said, as: UTF8.self))
        }
        return text
    }

    /// Returns the error for a Python process that ended with `status` after writing `said` to standard error.
    static func failure(_ python: String, status: Int, said: String) -> BenchError {
        let last = said.split(separator: "\n").last.map(String.init) ?? "it said nothing"
        if status == 127 { return BenchError("there is no \(python). A peer: \(remedy)") }
        if last.contains("No module named") {
            return BenchError("the peer cannot run with \(python): \(last). A peer: \(remedy)")
        }
        return BenchError("the peer ended with exit code \(status): \(last)")
    }

    /// Parses the JSON lines that the script and `wrapper` printed, after merging them into one object.
    static func read(_ text: String) throws -> Result {
        do {
            var all: [String: Any] = [:]
            for line in text.split(separator: "\n") where line.hasPrefix("{") {
                let object = try JSONSerialization.jsonObject(with: Data(line.utf8))
                for (key, value) in object as? [String: Any] ?? [:] { all[key] = value }
            }
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            return try decoder.decode(
                Result.self, from: try JSONSerialization.data(withJSONObject: all))
        } catch {
            throw BenchError("the peer printed what cannot be read: \(text.prefix(200))")
        }
    }
}
